import numpy as np
import pytest
from matplotlib.figure import Figure

from bitsback.report.figures import layers, robustness, sparsity, training, trust, weights
from bitsback.report.figures.curves import Axis
from bitsback.report.figures.lines import Line, style
from tests.report.journal import DENSE, POINT, full, row

SUBJECTS = (layers, robustness, sparsity, training, trust, weights)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_rows_no_cards(subject):
    assert subject.cards([]) == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_card_is_explained(subject):
    cards = subject.cards(full())
    assert len({card.key for card in cards}) == len(cards) > 0
    assert all(card.title and card.caption.endswith(".") and card.description and card.svg for card in cards)


def test_sweeps_are_one_line_a_saliency_in_order_of_sparsity():
    rows = [row("nll", 1.0 - share, sweep=True, sparsity=share, saliency=name) for share in (0.9, 0.0) for name in "ba"]
    lines = sparsity.curves(rows, "nll")
    assert [line.label for line in lines] == ["a", "b"]
    assert all(line.x.tolist() == [0.0, 0.9] for line in lines)


def test_what_differs_between_sweeps_names_them():
    rows = [
        row("nll", 1.0, sweep=True, sparsity=share, saliency="snr", scope=scope, **DENSE)
        for share in (0.0, 0.5)
        for scope in ("global", "layer")
    ]
    assert [line.label for line in sparsity.curves(rows, "nll")] == ["SNR global", "SNR layer"]


def test_equal_steps_halve_what_is_kept():
    steps = np.diff(sparsity.position(np.array([0.0, 0.5, 0.75, 0.875])))
    assert steps == pytest.approx([np.log10(2)] * 3)
    assert np.isfinite(sparsity.position(1.0))


def test_lines_are_drawn_over_the_places_of_their_sparsities():
    shares = np.array([0.0, 0.5, 0.9, 0.98])
    line = Line("a", shares, 1.0 - shares, style(0))
    axes = sparsity.against(Figure(), [line], Axis("accuracy", "share"))
    assert axes.lines[0].get_xdata() == pytest.approx(-np.log10(1.0 - shares))
    texts = [axes.xaxis.get_major_formatter()(place, 0) for place in axes.get_xticks()]
    assert {"0", "50", "90", "98"} <= set(texts)


def test_layers_prefer_the_compressed_network_and_know_the_dense_bytes():
    series = {"name": ["a", "b"], "shape": [[2, 3], [2]], "parameters": [6, 2], "kept": [6, 2], "bytes": [24, 8]}
    rows = [
        row("layers", series={**series, "kept": [1, 2], "bytes": [9, 8]}, **POINT),
        row("layers", series=series, **DENSE),
    ]
    found = layers.params(rows)
    assert [(one.name, one.shape, one.kept, one.bytes, one.dense_bytes) for one in found] == [
        ("a", "2 × 3", 1, 9, 24),
        ("b", "2", 2, 8, 8),
    ]


def test_many_layers_are_cut_and_accounted_for():
    count = 40
    series = {name: list(range(1, count + 1)) for name in ("parameters", "kept", "bytes")}
    rows = [row("layers", series={**series, "name": [f"layer{i}" for i in range(count)]}, **POINT)]
    card = layers.cards(rows)[0]
    assert f"{sum(range(1, 17))} parameters" in card.note
    assert "layer39" in card.svg
    assert "layer3<" not in card.svg


def test_bytes_are_set_beside_the_same_form_and_the_figure_says_whose():
    series = {"name": ["a"], "shape": [[2]], "parameters": [2], "kept": [1]}
    rows = [
        row("layers", series={**series, "bytes": [size]}, stage=stage, form=form)
        for stage, form, size in (("compressed", "ensemble", 7), ("dense", "ensemble", 40), ("dense", "point", 8))
    ]
    assert layers.params(rows)[0].dense_bytes == 40
    assert [key.label for key in layers.cards(rows)[1].legend] == ["dense ensemble", "compressed ensemble"]


def test_the_params_of_a_module_are_one_layer():
    series = {
        "name": ["0.weight", "0.bias", "block.1.conv.weight", "scale"],
        "parameters": [6, 2, 5, 1],
        "kept": [3, 2, 1, 1],
        "bytes": [12, 8, 4, 4],
    }
    found = layers.layers([row("layers", series=series, **POINT)])
    assert [(one.name, one.parameters, one.kept, one.bytes) for one in found] == [
        ("layer 0", 8, 5, 20),
        ("block.1.conv", 5, 1, 4),
        ("scale", 1, 1, 4),
    ]


def test_robustness_starts_at_the_clean_figure():
    rows = [row("accuracy", 0.95, **DENSE), row("accuracy", 0.5, perturbation="pgd", level=0.1, **DENSE)]
    (card,) = robustness.cards(rows)
    assert "from 95.00 % to 50.00 %" in card.description
    assert "PGD" in card.title


def test_reliability_leaves_out_empty_bins():
    series = {"confidence": [None, 0.9], "accuracy": [None, 0.8], "count": [0, 10]}
    (card,) = trust.cards([row("reliability", series=series, **DENSE)])
    assert "from 80.00 % to 80.00 %" in card.description


def test_both_scores_have_their_histogram():
    keys = {card.key for card in trust.cards(full())}
    assert {"uncertainty-total", "uncertainty-knowledge", "risk-coverage", "reliability"} == keys


def test_a_point_estimate_has_no_kl_figure():
    series = {"epoch": [1, 2], "loss": [2.0, 1.0], "nll": [2.0, 1.0], "kl": [0.0, 0.0]}
    assert [card.key for card in training.cards([row("loss_curve", series=series, **DENSE)])] == [
        "training-loss",
        "training-nll",
    ]


def test_the_share_that_is_kept_is_written_by_its_layer():
    snr = next(card for card in weights.cards(full()) if card.key == "snr")
    assert "0.weight: 15.6 % kept" in snr.description


def test_the_prior_lies_over_the_weights():
    assert "prior" in [key.label for key in weights.cards(full())[0].legend]


@pytest.mark.parametrize(("ratio", "verdict"), [(2.5, "have collapsed"), (1.0, "have not collapsed")])
def test_collapsed_variances_are_told(ratio, verdict):
    series = {"edges": [-1.0, 0.0, ratio - 0.1, ratio + 0.1], "count": [900, 0, 100], "kept": [0, 0, 100]}
    remark = weights.remark([row("snr_histogram", series=series, layer="a", **POINT)])
    assert verdict in remark
    assert remark.startswith("Of the weights kept, ")
    assert weights.remark([]) == ""


def test_small_uncertainties_are_written_by_a_power_of_ten():
    series = {"edges": [0.0, 2e-5, 4e-5], "inside": [3, 1], "outside": [1, 3]}
    found = trust.cards([row("uncertainty_histogram", series=series, score="total", **DENSE)])
    assert "total uncertainty, 10⁻⁵ nats" in found[0].svg
