import numpy as np

from bitsback.report.evidence import (
    REFERENCE,
    Variant,
    column,
    columns,
    factor,
    histogram,
    is_regression,
    newest,
    outsiders,
    packed_sparsity,
    select,
    settled,
    shipped,
    variant,
    variants,
)

from .journal import DENSE, ENSEMBLE, POINT, full, row


def test_networks_come_in_one_order():
    rows = [row("accuracy", 1.0, **of) for of in (ENSEMBLE, {"stage": "zebra", "form": "x"}, DENSE, POINT)]
    named = [Variant("dense", "point"), Variant("compressed", "point"), Variant("compressed", "ensemble")]
    assert variants(rows) == [*named, Variant("zebra", "x")]
    assert variants(reversed(rows)) == variants(rows)


def test_the_page_is_about_the_compressed_ensemble():
    assert shipped(full()) == Variant("compressed", "ensemble")
    assert shipped([row("accuracy", 1.0, **DENSE)]) == REFERENCE
    assert shipped([]) is None


def test_settled_leaves_out_what_is_not_about_the_network_on_the_test_split():
    special = [
        row("accuracy", 1.0, sweep=True, **DENSE),
        row("accuracy", 1.0, perturbation="noise", **DENSE),
        row("accuracy", 1.0, split="validation", **DENSE),
    ]
    plain = row("accuracy", 1.0, split="test", **DENSE)
    assert settled([*special, plain]) == [plain]
    assert select([*special, plain], "accuracy", split=None) == special[:2]


def test_lists_are_read_or_left():
    one = row("x", series={"a": [1, None], "b": [1.0, 2.0], "short": [1], "words": ["x"], "nested": [[1], [2]]})
    found = columns(one, "a", "b")
    assert found is not None
    assert np.isnan(found[0][1])
    assert columns(one, "a", "short") is None
    assert all(column(one, name) is None for name in ("words", "nested", "missing"))


def test_a_histogram_has_one_edge_more_than_counts_and_they_grow():
    good = {"edges": [0, 1, 2], "count": [3, 4]}
    assert histogram(row("x", series=good), "count") is not None
    for edges in ([0, 1], [0, 2, 1], [0, 0, 1], [0, None, 1]):
        assert histogram(row("x", series={**good, "edges": edges}), "count") is None


def test_the_packed_sparsity_is_the_compressed_networks():
    assert packed_sparsity(full()) == 0.9
    assert packed_sparsity([row("accuracy", 1.0, sparsity=0.5, **DENSE)]) is None


def test_one_programs_size_never_stands_beside_anothers_quality():
    old, new = ({**ENSEMBLE, "program": name} for name in ("old", "new"))
    quality, size = row("accuracy", 0.9, **old), row("file_bytes", 9.0, **new)
    point, plain = row("accuracy", 0.8, **POINT, program="old"), row("snr_histogram", series={}, **ENSEMBLE)
    assert newest([quality, point, plain, size]) == [point, plain, size]
    again = row("accuracy", 0.7, **new)
    assert newest([quality, point, plain, size, again]) == [point, plain, size, again]


def test_only_the_newest_threshold_counts():
    strict, loose = (row("coverage", share, **ENSEMBLE, error_rate=rate) for share, rate in ((0.5, 0.01), (0.9, 0.1)))
    assert newest([strict, loose]) == [loose]
    assert newest([loose, strict]) == [strict]


def test_one_networks_size_never_stands_beside_anothers_quality():
    old = {**ENSEMBLE, "sparsity": 0.5}
    size, quality = row("file_bytes", 9.0, **old), row("accuracy", 0.9, **ENSEMBLE)
    swept, dense = row("accuracy", 0.8, sweep=True, **old), row("accuracy", 0.7, **DENSE)
    assert newest([size, swept, dense, quality]) == [swept, dense, quality]
    assert newest([quality, size]) == [size]


def test_the_out_of_distribution_set_is_what_the_newest_row_says():
    rows = [row("uncertainty_histogram", series={}, out_of_distribution=name, **DENSE) for name in ("a", "b")]
    assert (outsiders(rows), outsiders(full())) == ("b", "")


def test_how_much_faster_is_what_was_measured_round_by_round_and_never_the_ratio_of_two_medians():
    shipped, twin = Variant("compressed", "ensemble"), Variant("dense", "ensemble")
    medians = [row("latency", 1.0, batch=1, **DENSE), row("latency", 2.0, batch=1, **ENSEMBLE)]
    assert factor(medians, "latency", shipped, batch=1) is None
    ratios = [row("latency_ratio", 4.0, batch=1, **ENSEMBLE)]
    ratios.append(row("latency_ratio", 0.5, batch=1, beside="dense ensemble", **ENSEMBLE))
    assert factor([*medians, *ratios], "latency", shipped, batch=1) == 0.25
    assert factor(ratios, "latency", shipped, twin, batch=1) == 2.0
    assert factor(ratios, "latency", shipped, twin, batch=8) is None


def test_how_much_smaller_is_the_ratio_of_two_figures():
    rows = [row("file_bytes", 6.0, **DENSE), row("file_bytes", 3.0, **ENSEMBLE)]
    assert factor(rows, "file_bytes", Variant("compressed", "ensemble")) == 2.0
    assert factor(rows, "file_bytes", REFERENCE) is None
    assert factor(rows[:1], "file_bytes", Variant("compressed", "ensemble")) is None


def test_errors_in_the_targets_units_make_a_regression():
    assert is_regression([row("rmse", 1.0, **DENSE)])
    assert not is_regression([row("rmse", 1.0, **DENSE), row("accuracy", 1.0, **DENSE)])
    assert not is_regression([])


def test_what_was_packed_last_is_what_ships_whatever_else_was_measured():
    point, ensemble = Variant("compressed", "point"), Variant("compressed", "ensemble")
    measured = full()
    sizes = [row("file_bytes", size, ships=True, **one._asdict()) for one, size in ((point, 1.0), (ensemble, 2.0))]
    assert shipped(newest(measured)) == ensemble
    assert shipped(newest([*measured, sizes[0]])) == point
    assert shipped(newest([*measured, *sizes])) == ensemble
    assert shipped(newest([*measured, *reversed(sizes)])) == point
    marked = newest([*measured, *sizes[::-1]])
    assert {variant(each) for each in marked if each.of.get("ships")} == {point}
    assert shipped(select(marked, "nll")) == point
