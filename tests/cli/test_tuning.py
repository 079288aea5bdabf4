import importlib.util
import json
import subprocess
import sys

import pytest

from bitsback.artifact.container import write
from bitsback.lower.run.native.layout import VERSION
from tests.artifact import golden
from tests.run.tunable import packed


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.bitsback"
    path.write_bytes(packed())
    return path


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from bitsback.cli import main
main(sys.argv[1:])
"""


def test_a_file_is_tuned_on_this_machine_without_pytorch(model, call):
    words = ["tune", model, "--trials", "2", "--batch", "1", "--json"]
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *map(str, words)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["trials"], said["measured"]) == (2, 2)
    assert len(model.with_name("tuning.jsonl").read_text().splitlines()) == 3
    assert model.with_name("model.tuning.png").read_bytes().startswith(b"\x89PNG")
    (function,) = said["functions"]
    assert function["batch"] == 1
    assert len(function["latencies"]) == 3
    assert min(*function["customary"], *function["tuned"], *function["ratio"]) > 0

    again = call("tune", model, "--trials", "2", "--batch", "1", "--plot", "plot.svg", "--database", "tuning.jsonl")
    assert again.code == 0
    assert "2 trials, 0 of them new, in tuning.jsonl" in again.out
    assert again.out.splitlines()[0].split() == [
        "batch",
        "customary",
        "tuned",
        "tuned",
        "/",
        "customary",
        "quartiles",
        "kept",
    ]
    assert "<svg" in model.with_name("plot.svg").read_text()


def test_what_a_user_can_do_wrong_is_one_line(model, call):
    write("none.bitsback", golden.artifact())
    head = f'{{"format":"bitsback-tuning","layout":{VERSION},"version":1}}'
    model.with_name("damaged.jsonl").write_text(head + '\n{"device": 3}\n')
    before = model.read_bytes()
    for words, said in (
        ([model, "--device", "emulated-aarch64"], "never how long it takes"),
        ([model, "--device", "board"], "there is no device 'board'"),
        ([model, "--wait", "5"], "--wait 5 goes with a device that is elsewhere"),
        ([model, "--plot", "tuning.gif"], "--plot tuning.gif is neither a .png nor a .svg"),
        ([model, "--plot", "none/tuning.png"], "--plot none/tuning.png cannot be written: there is no folder none"),
        ([model, "--database", "none/t.jsonl"], "--database none/t.jsonl cannot be written: there is no folder none"),
        ([model, "--batch", "2"], "functions for batches 1, 4 and not for 2"),
        ([model, "--trials", "0"], "--trials is '0'; it must be greater than or equal to 1"),
        (["none.bitsback"], "none.bitsback cannot be tuned: it holds no native library; `bitsback pack RUN --library"),
        (["nowhere.bitsback"], "nowhere.bitsback"),
        (["."], ". is a folder, and a packed file is needed"),
        ([model, "--data", "digits"], "does not fit the data 'digits'"),
        ([model, "--database", "damaged.jsonl"], "damaged.jsonl is damaged: line 2 has no 'tile'"),
        ([model, "--database", "model.bitsback"], "model.bitsback is no tuning database"),
    ):
        result = call("tune", *words)
        assert (result.code, result.out) == (2, ""), words
        assert said in result.err
        assert len(result.err.splitlines()) == 1
    assert model.read_bytes() == before
    assert not model.with_name("tuning.jsonl").exists()


def test_without_the_compiler_the_extra_is_named(model, call, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tvm" else real(name))
    result = call("tune", model)
    assert (result.code, result.out) == (2, "")
    assert 'pip install "bitsback[compile]"' in result.err
