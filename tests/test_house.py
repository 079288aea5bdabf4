"""What holds for every file: sizes, names, the public list, and what the two environments may have."""

import ast
import fnmatch
import io
import json
import re
import subprocess
import tokenize
from pathlib import Path

import numpy as np
import pytest

import bitsback
from bitsback.artifact.container import write
from bitsback.runtime.predictor import load
from tests.artifact import golden
from tests.lower.run import graphs

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sorted(path for folder in ("src", "tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py"))
DEVICE = ROOT / ".venv-device" / "bin"

FILE_LINES, FUNCTION_LINES = 300, 35
FORBIDDEN = {"base", "common", "core", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"}
MACHINE = re.compile(rf"(?<![\w.])/({'|'.join(('work', 'root', 'home', 'Users', 'opt', 'mnt', 'srv'))})/\w")
INDEXES = re.compile(rf"\b({'|'.join(('pypi', 'pythonhosted', 'download[.]pytorch', 'npmjs', 'debian'))})[.]org")
PUBLIC = {
    *(
        "dataset",
        "network",
        "trace",
        "fit",
        "imported",
        "prune",
        "point",
        "propagated",
        "stochastic",
        "ensemble",
        "pack",
        "load",
        "evaluate",
    ),
    *("CodeLength", "Sqs", "SgMcmc", "Hmc", "McDropout", "DeepEnsemble", "SnapshotEnsemble"),
    *("MeanField", "Point", "Normal", "ScaleMixture", "FitSettings", "Optimization", "Choice", "Policy", "Promise"),
    "__version__",
}
DEVICE_PACKAGES = ("artifact", "lower/run", "measure", "report", "runtime")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: no comment, no docstring, not blank."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
            found.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return found


def long_functions(source: str) -> list[str]:
    code = code_lines(source)
    sizes = {
        f"{node.name} (line {node.lineno})": len(code.intersection(range(node.lineno, (node.end_lineno or 0) + 1)))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function)
    }
    return [f"{name}: {size}" for name, size in sizes.items() if size > FUNCTION_LINES]


def texts() -> list[Path]:
    """Every file of the repository that holds text."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def messages(source: str) -> list[str]:
    """What is raised as an error of the library and written out where it is raised; what is filled in is "{}"."""
    raised = [node.exc for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise)]
    calls = [each for each in raised if isinstance(each, ast.Call) and ast.unparse(each.func).endswith("Error")]
    found: list[str] = []
    for text in (each.args[0] for each in calls if each.args):
        parts = text.values if isinstance(text, ast.JoinedStr) else [text]
        words = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts]
        found.append("".join(words))
    return found


def is_sentence_of_ours(message: str) -> bool:
    """Whether a message starts in lower case, but for a name of capitals such as ONNX, and has no full stop at its end."""
    first = re.match(r"[A-Za-z]+", message)
    capital = first is not None and first[0][0].isupper() and (len(first[0]) == 1 or not first[0].isupper())
    return not capital and not message.endswith(".")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run_on_device(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert DEVICE.is_dir(), "There is no .venv-device, the environment of the plain install; `make setup` makes it."
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=DEVICE)


def test_code_lines_leave_out_docstrings_comments_and_blanks() -> None:
    source = '"""Doc."""\n\n# comment\ndef f():\n    """Doc\n    more."""\n    return """a\nb"""\n'
    assert code_lines(source) == {4, 7, 8}


def test_a_function_past_the_limit_is_found() -> None:
    body = "    a = 1\n"
    assert not long_functions("def f():\n" + body * (FUNCTION_LINES - 1))
    assert long_functions("def f():\n" + body * FUNCTION_LINES) == [f"f (line 1): {FUNCTION_LINES + 1}"]


def test_no_file_is_too_long() -> None:
    sizes = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PYTHON}
    assert not {name: size for name, size in sizes.items() if size > FILE_LINES}


def test_no_function_is_too_long() -> None:
    found = {named(path): long_functions(path.read_text(encoding="utf-8")) for path in PYTHON}
    assert not {name: functions for name, functions in found.items() if functions}


def test_messages_are_written_alike() -> None:
    assert messages('raise DataError(f"There is {no} file.")\nraise error\nraise DataError(said)') == [
        "There is {} file.",
        "{}",
    ]
    assert not is_sentence_of_ours("There is {} file")
    assert not is_sentence_of_ours("A file")
    assert not is_sentence_of_ours("there is no file.")
    assert is_sentence_of_ours("ONNX Runtime refuses {}")
    found = {named(path): messages(path.read_text(encoding="utf-8")) for path in PYTHON if "src" in path.parts}
    assert sum(map(len, found.values())) > 100
    assert not [(name, each) for name, said in found.items() for each in said if not is_sentence_of_ours(each)]


def test_names_say_what_a_file_holds() -> None:
    parts = {named(path): set(re.split(r"[/_.]", named(path))) for path in PYTHON}
    assert not [name for name, words in parts.items() if words & FORBIDDEN]


@pytest.mark.parametrize("pattern", [MACHINE, INDEXES], ids=["a machine's paths", "an index's host"])
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    assert not [named(path) for path in texts() if pattern.search(path.read_text(encoding="utf-8"))]


def test_the_public_list_is_this() -> None:
    assert set(bitsback.__all__) == PUBLIC
    assert all(getattr(bitsback, name).__doc__ for name in PUBLIC - {"__version__"})


def test_the_version_is_stated_once() -> None:
    assert f'version = "{bitsback.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"## {bitsback.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_plain_install_is_whole_and_has_no_torch() -> None:
    source = ROOT / "src" / "bitsback"
    paths = [path for name in DEVICE_PACKAGES for path in (source / name).rglob("*.py")]
    names = [".".join(path.relative_to(source.parent).with_suffix("").parts) for path in paths]
    assert len(names) > len(DEVICE_PACKAGES)
    script = f"import importlib.util, {', '.join(names)}; assert importlib.util.find_spec('torch') is None, 'has torch'"
    done = run_on_device(DEVICE / "python", "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr


def test_the_command_line_starts_in_the_plain_install() -> None:
    done = run_on_device(DEVICE / "bitsback", "--help")
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


def test_the_plain_install_predicts_what_the_host_predicts(tmp_path: Path) -> None:
    model, samples = tmp_path / "model.bitsback", tmp_path / "x.npy"
    write(model, golden.artifact())
    inputs = np.random.default_rng(0).uniform(0, 16, (8, *graphs.SHAPE)).astype(np.float32)
    np.save(samples, inputs)
    done = run_on_device(DEVICE / "bitsback", "predict", model, samples, "--json")
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout), load(model).predict(inputs)
    assert [each["label"] for each in found] == [answer.label for answer in expected.answers()]
    assert [each["abstain"] for each in found] == expected.abstain.tolist()
    assert {each["abstain"] for each in found} == {True, False}
    for name in ("total", "data", "knowledge"):
        np.testing.assert_allclose([each[name] for each in found], getattr(expected, name), rtol=1e-4, atol=1e-6)


def test_no_folder_of_tests_is_left_out(pytestconfig: pytest.Config) -> None:
    left_out = pytestconfig.getini("norecursedirs")
    folders = {part for path in PYTHON for part in path.relative_to(ROOT).parts[:-1]}
    assert "build" in folders
    assert not {folder for folder in folders if any(fnmatch.fnmatch(folder, pattern) for pattern in left_out)}
