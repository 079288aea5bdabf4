import json


def test_the_command_prints_a_table_and_draws_a_plot(call, copied_run):
    result = call("check-moments", copied_run.path, "--draws", "50", "--stage", "dense")
    assert result.code == 0
    assert result.out.startswith("layer ")
    assert (copied_run.path / "moments.png").read_bytes().startswith(b"\x89PNG")
    said = json.loads(call("check-moments", copied_run.path, "--samples", "50", "--json").out)
    assert [layer["operator"] for layer in said["layers"]] == ["linear", "relu", "linear"]
