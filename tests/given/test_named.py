import sys

import pytest

from bitsback.errors import DataError, NetworkError
from bitsback.given.named import is_named, locate


@pytest.mark.parametrize(
    ("name", "named"), [("a.b:c", True), ("f.py:c", True), ("mnist", False), (":c", False), ("a:", False)]
)
def test_the_form_is_recognized(name, named):
    assert is_named(name) is named


def test_finds_a_name_in_a_module_and_in_a_file(tmp_path):
    assert locate("json:decoder.JSONDecoder", DataError).__name__ == "JSONDecoder"
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "mine.py").write_text(
        "import dataclasses\nfrom beside import VALUE\n\n@dataclasses.dataclass\nclass Thing:\n    x: int = VALUE\n"
    )
    path_before = list(sys.path)
    assert locate(f"{tmp_path / 'mine.py'}:Thing", DataError)().x == 7
    assert sys.path == path_before


def test_a_module_in_the_working_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "only_here_once.py").write_text("def make():\n    return 3\n")
    monkeypatch.chdir(tmp_path)
    assert locate("only_here_once:make", DataError)() == 3


def test_a_wrong_name_is_answered_with_what_the_file_defines_itself(tmp_path):
    path = tmp_path / "mine.py"
    imports = "from pathlib import Path\nfrom typing import Optional\n"
    path.write_text(imports + "A = 1\n_b = 2\nC = Path()\nclass Path2(type(C)): ...\ndef f(): ...\n")
    with pytest.raises(DataError, match=r"mine.py' has no 'g'; it defines Path2, f$"):
        locate(f"{path}:g", DataError)
    with pytest.raises(DataError, match=r"has no 'f.g'; it defines A$"):
        locate(f"{path}:f.g", DataError, lambda found: isinstance(found, int))
    with pytest.raises(DataError, match="it defines nothing that could be meant"):
        locate(f"{path}:g", DataError, lambda found: isinstance(found, float))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "not of the form"),
        ("no_such_module_at_all:f", "cannot be imported: ModuleNotFoundError"),
        ("no_such_file.py:f", "there is no file 'no_such_file.py' to take 'f' from"),
        ("json:nothing", "'json' has no 'nothing'; it defines dump, dumps, .*load"),
    ],
)
def test_what_is_not_there_raises_the_callers_error(name, reason):
    with pytest.raises(NetworkError, match=reason):
        locate(name, NetworkError)


@pytest.mark.parametrize("content", ["raise ValueError('two\\nlines')\n", "def broken(:\n", "import no_such_thing\n"])
def test_a_file_that_fails_is_reported_in_one_line(tmp_path, content):
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(DataError, match="cannot be imported") as caught:
        locate(f"{path}:f", DataError)
    assert "\n" not in str(caught.value)
    assert not [name for name in sys.modules if name.startswith("given_broken")]
