import pytest

from bitsback.cli.demo import _natively
from bitsback.errors import DataError
from bitsback.measure.abstain import Promise
from bitsback.measure.binomial import lower_tail
from bitsback.run.abstention import promise_of
from bitsback.run.demo import Story, recipe
from bitsback.run.folder import RunFolder
from bitsback.run.materials import load_data
from tests.given.files import digits_like, write_idx_set
from tests.report.journal import ENSEMBLE, POINT, row

DENSE_ENSEMBLE = {"stage": "dense", "form": "ensemble"}


def test_each_form_stands_beside_the_same_form_of_the_dense_network(tmp_path):
    sizes = {"point": (POINT, {"stage": "dense", "form": "point"}), "ensemble": (ENSEMBLE, DENSE_ENSEMBLE)}
    rows = [
        row("file_bytes", size, **of) for size, of in zip((1.0, 2.0, 3.0, 4.0), sum(sizes.values(), ()), strict=True)
    ]
    rows.append(row("file_bytes", 99.0, sweep=True, **POINT))
    figures = Story((), (), rows, RunFolder(tmp_path)).figures
    assert [figures[form][name] for form in sizes for name in ("bytes", "dense_bytes")] == [1, 2, 3, 4]
    assert figures["point"]["latency"] is None
    assert figures["promise"] is None
    assert figures["declined"] == {"test": None, "strange": None}


def test_the_ensembles_library_stands_beside_the_dense_point(tmp_path):
    native = {**ENSEMBLE, "engine": "native x86-64"}
    rows = [
        row("latency", 3e-5, **ENSEMBLE),
        row("latency", 1e-5, **native),
        row("latency_ratio", 0.25, **native),
        row("latency_ratio", 0.5, beside="dense ensemble", **native),
    ]
    run = RunFolder(tmp_path)
    assert Story((), (), [], run).native is None
    run.append(rows)
    found = Story((), (), [], run)
    assert found.native == (1e-5, 4.0)
    assert found.figures["native_ensemble"] == {"latency": 1e-5, "faster": 4.0}
    assert _natively(found, "point") == []
    assert _natively(found, "ensemble") == [
        "            natively one call 10.0 µs, 4.00× faster, round by round, beside the dense point's in ONNX Runtime"
    ]


def test_what_is_declined_is_what_the_journal_says(tmp_path):
    rows = [row("coverage", 0.75, split="test", **ENSEMBLE), row("ood_declined", 0.5, **ENSEMBLE)]
    assert Story((), (), rows, RunFolder(tmp_path)).figures["declined"] == {"test": 0.25, "strange": 0.5}


def test_the_promise_leaves_room_for_four_wrong_answers():
    asked = recipe(0)
    size, promise = len(load_data(asked).calibration.inputs), promise_of(asked.abstain)
    assert promise == Promise(0.03, 0.9)
    tails = [lower_tail(errors, size, promise.error_rate) for errors in (4, 5)]
    assert tails[0] <= 1 - promise.confidence < tails[1]


def test_other_data_must_be_one_set(tmp_path):
    write_idx_set(tmp_path / "others", train=digits_like(60))
    assert recipe(0, tmp_path / "others").data.folder == str(tmp_path / "others")
    with pytest.raises(DataError, match="is not one data set that the demo could show; the sets in it are: others"):
        recipe(0, tmp_path)
