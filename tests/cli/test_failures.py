import errno
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bitsback import toml
from bitsback.artifact import container
from bitsback.cli.failures import one_line
from bitsback.errors import ArtifactError
from tests.artifact import golden
from tests.cli.test_app import ORDER
from tests.run.tiny import CONTENT

UNSUPPORTED = """
import torch
from torch import nn

class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 8)

    def forward(self, x):
        return self.layer(x.flatten(1)) if x.sum() > 0 else torch.zeros(len(x), 8)

class Probable(Branches):
    def forward(self, x):
        return torch.softmax(self.layer(x.flatten(1)), 1)
"""
SILENT = "import sys\nsys.exit()\n"
DATA = """
import numpy as np

def bad(value=np.nan, label=0):
    inputs, targets = np.zeros((20, 4), np.float32), np.arange(20) % 2
    inputs[3, 1], targets[5] = value, label
    return {"train": (inputs, targets), "test": (inputs, targets), "labels": ["a", "b"]}

def infinite():
    return bad(np.inf)

def labels():
    return bad(0, 7)

def leaves():
    raise SystemExit(5)

def several():
    return {**bad(0), "task": ["classification"]}

def words():
    return {"train": ([["a", "b"]], [0]), "test": ([["a", "b"]], [0])}
"""

BAD = {
    "unknown network": (["fit", "new", "--network", "lenet-6"], "there is no network 'lenet-6'"),
    "unknown data": (["fit", "new", "--dataset", "nowhere"], "no data set 'nowhere' was found"),
    "no such folder": (["fit", "new", "--dataset", "mnist", "--data", "nowhere"], "nowhere"),
    "no such file": (["fit", "new", "--network", "none.py:Net"], "none.py' to take 'Net' from"),
    "no such name": (["fit", "new", "--network", "own.py:Net"], "own.py' has no 'Net'; it defines Branches, Probable"),
    "no such function": (
        ["fit", "new", "--dataset", "data.py:good"],
        "it defines bad, infinite, labels, leaves, several, words",
    ),
    "unknown option": (["fit", "new", "--set", "network.options.depth=3"], "depth"),
    "unsupported operator": (["fit", "new", "--network", "own.py:Branches"], "cannot be traced"),
    "NaN": (["fit", "new", "--dataset", "data.py:bad"], "nan"),
    "infinity": (["fit", "new", "--dataset", "data.py:infinite"], "inf"),
    "labels out of range": (["fit", "new", "--dataset", "data.py:labels"], "7"),
    "probabilities": (["fit", "new", "--network", "own.py:Probable"], "Probable ends in softmax"),
    "a script that ends": (["fit", "new", "--network", "silent.py:Net"], "silent.py' cannot be imported: SystemExit"),
    "a function that ends": (
        ["fit", "new", "--dataset", "data.py:leaves"],
        "data.py:leaves' failed with SystemExit: 5",
    ),
    "a task that is a list": (["fit", "new", "--dataset", "data.py:several"], "is ['classification'], but must be"),
    "a link that leads to itself": (["fit", "new", "--data", "loop"], "leads anywhere"),
    "a file for a data folder": (["fit", "new", "--data", "own.py"], "own.py is a file"),
    "weights that are none": (
        ["fit", "new", "--set", "network.weights=own.py"],
        "it is none, or holds more than tensors",
    ),
    "a loss that is no number": (
        ["fit", "new", "--epochs", "1", "--set", "fit.learning_rate=1e30", "--set", "fit.batch=900"],
        "a smaller learning rate than 1e+30 is needed",
    ),
    "a seed too large": (["fit", "new", "--seed", str(2**64)], "seed is 18446744073709551616"),
    "too deep a recipe": (["run", "deep.toml"], "cannot be read as TOML"),
    "masks that are not there": (
        ["run", "tiny.toml", "-o", "new", "--set", "compress.masks=none"],
        "none, which is neither the folder of a run nor a file of masks",
    ),
    "a policy for another network": (
        ["run", "tiny.toml", "-o", "new", "--set", "compress.policy.layers.conv1.sparsity=0.5"],
        "'conv1' matches no param",
    ),
    "a ratio that a point has not": (
        ["run", "tiny.toml", "-o", "new", "--set", "inference.method=point"],
        "saliency 'snr' needs weights with a variance",
    ),
    "no such option of a command": (
        ["fit", "--xyzzy"],
        "no such option: --xyzzy; `bitsback fit --help` says what there is",
    ),
    "a negative seed": (["demo", "--seed", "-1"], "--seed is '-1'; it must be"),
    "wrong types": (["fit", "new", "--dataset", "data.py:words"], "data.py:words"),
    "wrong value": (["fit", "new", "--set", "fit.learning_rate=-1"], "learning_rate is -1"),
    "wrong key": (["fit", "new", "--set", "fit.speed=1"], "'fit.speed' is no key of a recipe"),
    "no setting": (["fit", "new", "--set", "speed"], "key=value"),
    "no epochs": (["fit", "new", "--epochs", "0"], "epochs is 0; it must be a whole number, at least 1"),
    "no recipe": (["run", "none.toml"], "there is no recipe none.toml"),
    "a recipe that is none": (["run", "own.py"], "cannot be read as TOML"),
    "a file for a folder": (["fit", "own.py"], "own.py is a file"),
    "a folder of other things": (["fit", "."], "other things in it"),
    "no run": (["compress", "new"], "there is no run in new"),
    "another version": (["evaluate", "old"], "version 7, made by bitsback '3.1'"),
    "another version, fit": (["fit", "old"], "version 7"),
    "another version, report": (["report", "old"], "version 7"),
    "another version, inspect": (["inspect", "old"], "version 7"),
    "no artifact": (["predict", "none.bitsback", "x.npy"], "none.bitsback"),
    "a folder for an artifact": (["predict", "old", "x.npy"], "old is a folder, and a packed file is needed"),
    "a file for a run": (["report", "x.npy"], "x.npy is a file, and a run folder is needed"),
    "not an artifact": (["predict", "own.py", "x.npy"], "not a bitsback artifact"),
    "not an artifact, inspect": (["inspect", "own.py"], "not a bitsback artifact"),
    "not an artifact, measure": (["measure", "own.py"], "not a bitsback artifact"),
    "no number": (["compress", "new", "--sparsity", "80%"], "--sparsity is '80%'; it must be a valid number"),
    "no whole number": (["fit", "new", "--seed=x"], "--seed is 'x'; it must be a valid integer"),
    "too low": (["measure", "old", "--repeats", "0"], "--repeats is '0'; it must be greater than or equal to 1"),
    "one of several": (
        ["measure", "old", "--batch", "1", "--batch", "b"],
        "--batch is 'b'; it must be a valid integer",
    ),
    "no value": (["fit", "new", "--epochs"], "'--epochs' requires an argument"),
    "no such command": (["frobnicate"], "no such command 'frobnicate'; `bitsback --help` says what there is"),
    "an option before the command": (["--frob", "fit"], "no such option: --frob"),
    "nothing to predict with": (["predict"], "missing argument 'MODEL'; `bitsback predict --help` says what there is"),
    "one too many": (["inspect", "own.py", "x.npy"], "(x.npy)"),
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "own.py").write_text(UNSUPPORTED)
    (tmp_path / "data.py").write_text(DATA)
    (tmp_path / "silent.py").write_text(SILENT)
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "tiny.toml").write_text(toml.dumps(CONTENT))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text(json.dumps({"format": "bitsback-run", "version": 7, "bitsback": "3.1"}))
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 8, 8), np.float32))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path): path.read_bytes() for path in paths}


def check(result, sentence):
    assert result.code == 2
    assert result.out == ""
    told = [line for line in result.err.splitlines() if not line.startswith(("fitting ", "step "))]
    assert len(told) == 1
    assert "[Errno" not in told[0]
    assert told[0].startswith("error: ")
    assert sentence in result.err


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence_and_nothing_is_written(call, place, case):
    words, sentence = BAD[case]
    before = contents(place)
    check(call(*words), sentence)
    assert contents(place) == before
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compress", "RUN", "--sparsity", "2"], "sparsity is 2"),
        (["compress", "RUN", "--policy", "none.toml"], "none.toml"),
        (["compress", "RUN", "--set", "compress.policy.layers.conv1.sparsity=0.5"], "'conv1' matches no param"),
        (
            ["fit", "RUN", "--epochs", "41"],
            "fit.epochs = 40 and not 41; give another folder for this one, or start over",
        ),
        (["fit", "RUN", "--fresh", "--network", "lenet-6"], "there is no network 'lenet-6'"),
        (
            ["evaluate", "RUN/model.bitsback"],
            "model.bitsback is a file, and a run folder is needed, such as RUN, which holds",
        ),
        (["predict", "RUN", "x.npy"], "a packed file is needed, such as RUN/model.bitsback"),
        (["pack", "RUN", "--set", "seed=4"], "seed = 0 and not 4"),
        (["compress", "RUN", "--seed", "5"], "seed = 0 and not 5"),
        (["evaluate", "RUN", "--seed", "6"], "seed = 0 and not 6"),
        (["pack", "RUN", "--seed", "7"], "seed = 0 and not 7"),
        (["compress", "RUN", "--cycles", "3"], "compress.cycles is 3; it must be 1 unless compress.fine_tune_epochs"),
        (["pack", "RUN", "--error-rate", "0.0001"], "nothing was packed, because [abstain] cannot be promised"),
        (["evaluate", "RUN", "--set", "evaluate.levels=[-1]"], "evaluate.levels"),
        (["measure", "RUN/model.bitsback", "--reference", "RUN/run.json"], "not a bitsback artifact"),
        (["measure", "RUN", "--reference", "RUN/model.bitsback"], "goes with a packed file, and RUN is a folder"),
        (["predict", "RUN/model.bitsback", "none.npy"], "none.npy"),
        (["predict", "RUN/model.bitsback", "x.npy", "wrong.npy"], "in wrong.npy"),
        (["predict", "RUN/model.bitsback", "nan.npy"], "nan"),
    ],
    ids=range(19),
)
def test_a_run_survives_what_cannot_be_done_to_it(call, place, copied_run, words, sentence):
    np.save(place / "wrong.npy", np.zeros((2, 5), np.float32))
    np.save(place / "nan.npy", np.full((1, 1, 8, 8), np.nan, np.float32))
    before = contents(place)
    path = str(copied_run.path)
    check(call(*(word.replace("RUN", path) for word in words)), sentence.replace("RUN", path))
    assert contents(place) == before


def test_a_full_disk_loses_nothing(call, copied_run, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = contents(copied_run.path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        for words in (["compress"], ["pack"], ["report"]):
            check(call(*words, copied_run.path), "No space left on device")
        check(call("fit", "new", "--epochs", "1"), "No space left on device")
    assert contents(copied_run.path) == before


@pytest.mark.parametrize("name", ["demo", "run", "fit", "import", "compress", "evaluate", "pack"])
def test_a_command_that_needs_pytorch_names_the_extra(call, place, monkeypatch, name):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == "torch" else real(wanted))
    words = {"demo": [], "run": ["recipe.toml"]}.get(name, ["old"])
    check(call(name, *words), 'this command needs PyTorch; install it with pip install "bitsback[torch]"')


@pytest.mark.parametrize("name", ORDER)
def test_no_command_takes_an_option_that_it_does_not_have(call, place, name):
    check(call(name, "--xyzzy"), f"no such option: --xyzzy; `bitsback {name} --help` says what there is")


def test_an_interrupted_command_says_how_to_go_on(capsys):
    with pytest.raises(SystemExit) as leaving, one_line("bitsback fit runs/x --fresh"):
        raise KeyboardInterrupt
    assert leaving.value.code == 130
    err = capsys.readouterr().err
    assert err == "interrupted; this goes on from what is saved: bitsback fit runs/x\n"


def test_an_error_of_the_system_is_one_line(capsys):
    with pytest.raises(SystemExit) as leaving, one_line("bitsback fit runs/x"):
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x")
    assert leaving.value.code == 2
    assert capsys.readouterr().err.startswith("error: runs/x: No space left on device; free some space")


def test_what_does_not_fit_in_memory_is_one_sentence(capsys):
    def ask_pytorch():
        torch.zeros(2**45)

    def ask_numpy():
        np.zeros(2**55)

    for ask in (ask_pytorch, ask_numpy):
        with pytest.raises(SystemExit) as left, one_line("bitsback pack run"):
            ask()
        assert left.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: this does not fit in memory; ask for fewer members")
        assert said.count("\n") == 1
    with pytest.raises(RuntimeError, match="something else"), one_line("bitsback pack run"):
        raise RuntimeError("something else")


def test_a_file_that_does_not_fit_in_memory_says_so(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(container, "unpack", full)
    with pytest.raises(ArtifactError, match="the artifact does not fit in memory"):
        container.decode(golden.PATH.read_bytes())
