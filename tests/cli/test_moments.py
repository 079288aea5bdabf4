import json

import pytest


def test_the_command_prints_a_table_and_draws_a_plot(call, copied_run):
    result = call("check-moments", copied_run.path, "--draws", "50", "--stage", "dense")
    assert result.code == 0
    assert result.out.startswith("layer ")
    assert (copied_run.path / "moments.png").read_bytes().startswith(b"\x89PNG")
    said = json.loads(call("check-moments", copied_run.path, "--samples", "50", "--json").out)
    assert [layer["operator"] for layer in said["layers"]] == ["linear", "relu", "linear"]


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        ("noext", "--plot noext is neither a .png nor a .svg; name one of these"),
        ("a.txt", "--plot a.txt is neither"),
        ("none/a.png", "--plot none/a.png cannot be written: there is no folder none"),
        ("folder.png", "--plot folder.png cannot be written: it is a folder"),
    ],
)
def test_a_plot_that_cannot_be_written_as_it_is_named_is_refused(call, copied_run, tmp_path, plot, said):
    (tmp_path / "folder.png").mkdir()
    before = sorted(tmp_path.iterdir())
    result = call("check-moments", copied_run.path, "--draws", "50", "--plot", plot)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err
    assert sorted(tmp_path.iterdir()) == before


def test_the_plot_is_the_file_that_was_named(call, copied_run, tmp_path):
    assert call("check-moments", copied_run.path, "--draws", "50", "--plot", "plot.svg").code == 0
    assert "<svg" in (tmp_path / "plot.svg").read_text()
