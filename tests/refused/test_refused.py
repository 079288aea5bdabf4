import pytest

from bitsback.errors import ArtifactError
from bitsback.runtime.predictor import load
from tests.artifact import golden
from tests.refused.cases import CASES, FOLDER, honest, seal


@pytest.mark.parametrize("name", CASES)
def test_a_lying_artifact_is_refused_in_one_sentence(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = FOLDER / f"{name}.bitsback"
    with pytest.raises(ArtifactError) as caught:
        load(path)
    message = str(caught.value)
    assert CASES[name][1] in message
    assert "\n" not in message
    assert len(message) < 600
    assert capfd.readouterr() == ("", "")


def test_the_folder_holds_these_cases_and_no_others() -> None:
    found = {path.stem: path.read_bytes() for path in FOLDER.glob("*.bitsback")}
    assert found.keys() == CASES.keys()
    for name in CASES.keys() - _WITH_A_GRAPH:
        assert found[name] == CASES[name][0](), name


def test_what_the_cases_are_made_from_is_accepted() -> None:
    data, content = honest()
    assert seal(content) == data
    assert load(golden.PATH).manifest.form == "ensemble"


_WITH_A_GRAPH = {name for name in CASES if name.startswith("program-")}
"""Their bytes hang on the onnx package's version, which need not be the one that made the files."""
