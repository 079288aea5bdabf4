import pytest

from bitsback.report.evidence import Variant
from bitsback.report.headline import about, lead, tiles

from .journal import DENSE, ENSEMBLE, POINT, full, row


def named(rows):
    return {tile.name: tile for tile in tiles(rows)}


def test_the_headlines_are_about_the_packed_network():
    rows = [row("file_bytes", 10.0, **POINT), row("accuracy", 0.9, **ENSEMBLE)]
    assert about(rows) == Variant("compressed", "point")
    assert about(full()) == Variant("compressed", "ensemble")
    assert about([]) is None


def test_the_lead_says_what_is_compared():
    assert "compressed ensemble network beside the dense point" in lead(full())
    assert lead([row("accuracy", 0.9, **DENSE)]) == "So far only the dense network is measured."
    assert lead([row("kl", 3.0, **DENSE)]) == lead([]) == "Nothing is measured yet."


def test_figures_are_ratios_to_the_dense_network():
    found = named(full())
    assert found["File"].figure == "2.00× smaller"
    assert found["Latency, batch 1"].figure == "3.90× slower"
    assert found["Weights kept"].figure == "10 %"
    assert found["Accuracy"].figure == "92.00 %"
    assert "+2.00 points" in found["Accuracy"].detail


def test_like_is_set_beside_like_in_small_print():
    of = {"stage": "dense", "form": "ensemble"}
    rows = [*full(), row("file_bytes", 9e6, **of), row("accuracy", 0.93, **of), row("nll", 0.46, **of)]
    rows.append(row("latency_ratio", 0.8, batch=1, beside="dense ensemble", **ENSEMBLE))
    details = {name: tile.detail for name, tile in named(rows).items()}
    assert details["File"] == "9.00× smaller beside the dense ensemble"
    assert details["Latency, batch 1"].startswith("1.25× faster beside the dense ensemble; median of 50 calls")
    assert details["NLL"] == "2.00× higher beside the dense ensemble"
    assert details["Accuracy"].startswith(
        "+2.00 points beside the dense point; −1.00 points beside the dense ensemble;"
    )
    assert "beside the dense ensemble, like with like" in lead(rows)
    assert "dense ensemble" not in lead(full()) + "".join(tile.detail for tile in tiles(full()))


def test_bars_are_as_long_as_what_they_stand_for():
    dense, compressed = named(full())["File"].bars
    assert (dense.percent, compressed.percent) == (100.0, pytest.approx(50.0))
    dense, compressed = named(full())["Accuracy"].bars
    assert compressed.percent == pytest.approx(80.0)


def test_bars_name_what_tells_two_networks_apart():
    assert [bar.name for bar in named(full())["File"].bars] == ["dense point", "compressed ensemble"]
    rows = [row("file_bytes", size, **of) for size, of in ((2.0, DENSE), (1.0, POINT))]
    assert [bar.name for bar in named(rows)["File"].bars] == ["dense", "compressed"]


def test_without_the_dense_network_there_is_no_ratio():
    tile = named([row("file_bytes", 1000.0, **ENSEMBLE)])["File"]
    assert (tile.figure, tile.bars) == ("1.00 kB", ())


def test_what_is_declined_is_told():
    rows = [
        row("accuracy", 0.98, **ENSEMBLE),
        row("coverage", 0.96, **ENSEMBLE),
        row("selective_error", 0.004, **ENSEMBLE),
        row("ood_declined", 0.75, **ENSEMBLE),
    ]
    tile = named(rows)["Answers"]
    assert tile.figure == "96.00 %"
    assert tile.detail.startswith("declines 4.00 % of test inputs, 75.00 % of out-of-distribution inputs;")
    assert "out-of-distribution" not in named(rows[:-1])["Answers"].detail
    assert [bar.text for bar in tile.bars] == ["2.00 %", "0.40 %"]


def test_a_regression_has_an_error_in_place_of_an_accuracy():
    found = named([row("rmse", 50.0, **DENSE), row("rmse", 40.0, **ENSEMBLE)])
    assert found["RMSE"].figure == "1.25× lower"
    assert "Accuracy" not in found
