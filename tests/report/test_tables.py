import io
from dataclasses import replace

from rich.console import Console

from bitsback.report.evidence import newest
from bitsback.report.headline import tiles
from bitsback.report.listings import every_layer, sweep
from bitsback.report.tables import cost, facts, quality, summary

from .journal import DENSE, ENSEMBLE, HOSTILE, full, row
from .journal import cost as timed


def cells(table):
    return {(name, table.head[1 + at]): cell for name, found, _ in table.rows for at, cell in enumerate(found)}


def test_cost_is_told_beside_the_dense_network():
    table = cost(full())
    found = cells(table)
    assert [line.name for line in table.rows] == ["dense point", "compressed point", "compressed ensemble"]
    assert found["compressed point", "File"].detail == "10.0× smaller"
    assert found["compressed ensemble", "Latency, batch 1"].detail == "3.90× slower"
    assert found["dense point", "File"].detail == ""
    assert found["compressed point", "Latency, batch 1"].spread == "72.0–96.0 µs"


def test_devices_stand_side_by_side_and_are_never_mixed():
    board = [
        replace(one, value=10 * one.value if one.what == "latency" else one.value / 2, device="a board", time="2027")
        for one in timed()
        if one.what.startswith("latency")
    ]
    found = cells(cost(newest([*full(), *board])))
    here, there = ("Latency, batch 1, a processor, 1 thread", "Latency, batch 1, a board")
    for place, seconds, share in ((here, "400 µs", "3.90× slower"), (there, "4.00 ms", "1.95× slower")):
        assert (found["compressed ensemble", place].text, found["compressed ensemble", place].detail) == (
            seconds,
            share,
        )
    assert {tile.name: tile.figure for tile in tiles(newest([*full(), *board]))}["Latency, batch 1"] == "1.95× slower"


def test_a_performance_figure_stands_beside_the_quality_of_the_same_network():
    found = cells(cost(full()))
    assert found["compressed ensemble", "Accuracy"].text == "92.00 %"
    assert found["dense point", "Accuracy"].text == "90.00 %"


def test_the_best_of_a_row_depends_on_the_direction():
    found = cells(quality(full()))
    assert found["Accuracy\u00a0↑", "compressed ensemble"].best
    assert found["NLL (nats)\u00a0↓", "dense point"].best
    assert sum(cell.best for (name, _), cell in found.items() if name == "Accuracy\u00a0↑") == 1


def test_every_metric_says_what_it_means_and_only_one_with_a_direction_has_an_arrow():
    table = quality([*full(), row("interval_coverage_90", 0.9, **DENSE)])
    assert all(line.note.endswith(".") for line in table.rows)
    assert [line.name for line in table.rows if line.name[-1] not in "↑↓"] == ["Interval coverage, 90 %"]


def test_equal_figures_have_no_best():
    rows = [row("accuracy", 0.90001, **DENSE), row("accuracy", 0.90002, **ENSEMBLE)]
    assert not [cell for cell in cells(quality(rows)).values() if cell.best]


def test_a_network_without_a_figure_gets_a_dash():
    rows = [row("accuracy", 0.9, **DENSE), row("nll", 0.3, **ENSEMBLE)]
    assert cells(quality(rows))["Accuracy\u00a0↑", "compressed ensemble"].text == "–"


def test_sweeps_and_perturbed_rows_stay_out_of_the_quality_table():
    rows = [row("accuracy", 0.1, sweep=True, sparsity=0.5, **DENSE), row("accuracy", 0.1, perturbation="pgd", **DENSE)]
    assert quality(rows) is None


def test_tables_without_rows_are_none():
    assert (cost([]), quality([]), facts([]), every_layer([]), sweep([])) == (None, None, None, None, [])


def test_the_sweep_has_every_sparsity():
    table = sweep(full())[0]
    assert table.head == ("pruned", "0 %", "50 %", "90 %", "98 %")
    assert {line.name for line in table.rows} == {"SNR", "magnitude"}


def test_the_summary_prints_both_tables():
    text = printed(summary(full()))
    assert "compressed ensemble" in text
    assert "10.0× smaller" in text
    assert "NLL (nats)\u00a0↓" in text


def test_the_summary_of_nothing_says_what_to_do():
    assert "bitsback evaluate" in printed(summary([]))


def test_markup_in_labels_is_printed_as_it_is():
    text = printed(summary([row("accuracy", 0.9, stage="[red]x", form="[/]"), row("file_bytes", 9, stage=HOSTILE)]))
    assert "[red]x [/]" in text
    assert "\x1b" not in text


def printed(renderable):
    target = io.StringIO()
    Console(width=160, color_system=None, file=target).print(renderable)
    return target.getvalue()
