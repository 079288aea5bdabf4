import io

import pytest
from rich.console import Console

from bitsback.report.caution import cautions
from bitsback.report.page import render
from bitsback.report.tables import summary

from .journal import DENSE, ENSEMBLE, POINT, row


@pytest.mark.parametrize(
    ("before", "now", "warned"),
    [
        (0.02, 0.06, True),
        (0.02, 0.049, False),
        (0.04, 0.07, False),
        (0.04, 0.081, True),
        (None, 0.3, False),
        (0.1, None, False),
    ],
)
def test_calibration_that_more_than_doubles_to_more_than_five_percent_is_told(before, now, warned):
    rows = [
        row("accuracy", 0.9, **POINT),
        row("ece", before, split="test", **DENSE),
        row("ece", now, split="test", **POINT),
    ]
    assert bool(cautions(rows)) == warned
    said = "Pruning cost calibration: the ECE of the compressed point"
    assert (said in render(rows, title="x")) == warned
    drawn = io.StringIO()
    Console(file=drawn, width=200).print(summary(rows))
    assert (said in drawn.getvalue()) == warned


def test_like_is_compared_with_like():
    rows = [row("ece", 0.01, **DENSE), row("ece", 0.2, **ENSEMBLE)]
    assert not cautions(rows)
    assert len(cautions([*rows, row("ece", 0.05, **{**DENSE, "form": "ensemble"})])) == 1


def test_sweeps_and_other_splits_do_not_count():
    rows = [row("ece", 0.01, **DENSE), row("ece", 0.02, **POINT)]
    assert not cautions([*rows, row("ece", 0.5, sweep=True, **POINT), row("ece", 0.5, split="validation", **POINT)])


@pytest.mark.parametrize(("auroc", "warned"), [(0.49, True), (0.5, False), (0.9, False), (None, False)])
def test_strangers_that_it_is_surer_of_than_of_its_test_data_are_told(auroc, warned):
    rows = [row("accuracy", 0.9, **POINT), row("ood_auroc_total", auroc, **POINT)]
    assert [said.partition(":")[0] for said in cautions(rows)] == [
        "It is surer of what it was not trained on than of its test data"
    ] * warned


def test_chains_that_did_not_mix_are_told_once():
    said = "The chains did not mix: split R̂ of the log likelihood is 1.80"
    wrong = row("split_rhat", 1.8, stage="dense", quantity="log likelihood")
    right = row("split_rhat", 1.02, stage="dense", quantity="predictions")
    assert [each.startswith(said) for each in cautions([wrong, right])] == [True]
    assert said in render([row("accuracy", 0.9, **POINT), wrong], title="x")
    assert not cautions([right])
    limit = row("split_rhat_limit", 1.9, stage="dense")
    assert not cautions([wrong, limit])
