from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from bench.cold_start import main, prepare, row
from bitsback.runtime.predictor import load


def test_both_processes_run_the_same_network(tmp_path: Path) -> None:
    prepare(tmp_path)
    x = np.load(tmp_path / "input.npy")
    plain = onnxruntime.InferenceSession(str(tmp_path / "graph.onnx"), providers=["CPUExecutionProvider"])
    found = load(tmp_path / "model.bitsback").predict(x)
    np.testing.assert_allclose(found.mean, plain.run(["mean"], {"input": x})[0], atol=1e-6)
    assert (tmp_path / "model.bitsback").stat().st_size < (tmp_path / "graph.onnx").stat().st_size / 7


def test_a_row_is_the_median_with_its_quartiles() -> None:
    found = row("cold_start_ratio", "x", np.array([1.0, 2.0, 3.0, 4.0, 9.0]), process="bitsback predict")
    assert (found.value, found.spread, found.repeats) == (3.0, (2.0, 4.0), 5)


def test_an_environment_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--environment", str(tmp_path), "--dry"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
