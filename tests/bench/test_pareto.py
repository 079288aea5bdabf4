"""The picture of all forms: which points stand in it, and which are beaten by none."""

import pytest

from bench import pareto
from bench.pareto import ONE, PASS, STACKED, STRUCTURE, Panel, Point, best, draw, points
from bitsback.errors import DataError
from bitsback.measure.journal import Journal, Measurement, Scalar

PANEL = Panel("MLP", "mlp-mnist", "mlp500-mnist", {"mlp500-mnist": ""})


def row(what: str, value: float, **of: Scalar) -> Measurement:
    return Measurement(what, value, "1", of)


@pytest.fixture
def results(tmp_path):
    ensembles = [
        row("nll", 0.05, case="mlp-mnist", way="dense"),
        row("nll", 0.04, case="mlp-mnist", way="shared_32_int8"),
        row("nll", 0.03, case="mlp-mnist", way="dense_32"),
        row("nll", 9.0, case="lenet5-mnist", way="dense"),
        row("latency_ratio", 0.6, case="mlp-mnist", side="shared_32_int8"),
        row("latency_ratio", 0.5, case="mlp-mnist", side="shared_32_int8_tuned"),
        row("latency_ratio", 60.0, case="mlp-mnist", side="dense_32_onnx_runtime"),
        row("latency_ratio", 0.1, case="mlp-mnist", side="shared_8_int8"),  # without quality
    ]
    one_pass = [
        row("nll", 0.045, posterior="mlp500-mnist", way="one_pass"),
        row("latency_ratio", 1.1, posterior="mlp500-mnist", side="one_pass_tuned", batch=1),
        row("latency_ratio", 0.2, posterior="mlp500-mnist", side="one_pass_tuned", batch=100),
        row("latency_ratio", 0.2, posterior="mlp500-mnist", side="one_pass_tuned", batch=1, beside="point"),
    ]
    for name, rows in {"shared_ensemble": ensembles, "one_pass": one_pass}.items():
        Journal(tmp_path / f"{name}.jsonl").append(rows)
    return tmp_path


def test_the_fastest_of_each_way_whose_quality_is_known_stands_in_it(results):
    assert set(points(PANEL, results)) == {
        Point(ONE, 1.0, 0.05, "float32"),
        Point(STRUCTURE, 0.5, 0.04, "32"),
        Point(STACKED, 60.0, 0.03, "32"),
        Point(PASS, 1.1, 0.045, "float32"),
    }


def test_what_another_is_faster_and_better_than_is_beaten(results):
    found = points(PANEL, results)
    assert [each.form for each in best(found)] == [STRUCTURE, STACKED]


def test_the_same_rows_give_the_same_picture_and_no_rows_none(results, tmp_path, monkeypatch):
    monkeypatch.setattr(pareto, "PANELS", (PANEL, PANEL))
    assert draw(results) == draw(results)
    with pytest.raises(DataError, match="There is no row for the picture of 'MLP'"):
        points(PANEL, tmp_path / "nothing")
