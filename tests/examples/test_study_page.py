"""The page and the tables of the study, from made-up rows."""

import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from bitsback.errors import DataError
from bitsback.report.document import render
from examples.weight_pruning import page, summary, tables
from examples.weight_pruning.evidence import by_dataset, counted, over_seeds, seconds_to
from examples.weight_pruning.methods import METHODS, SPARSITIES
from tests.examples.study import curve, full, quality, row
from tests.report.test_page import Page

WHOLE = ["worth", "sparsity", "training", "weights", "time", "latency"]


@pytest.fixture(scope="module")
def document():
    return page.of(full())


def test_every_section_is_filled_and_shows_every_method(document):
    assert [section.key for section in document.sections if not section.empty] == WHOLE
    for key in ("accuracy-mnist", "nll-mnist", "test-accuracy-mnist", "weights-mnist", "epoch-mnist", "latency-mnist"):
        card = next(card for section in document.sections for card in section.cards if card.key == key)
        assert all(method.title in card.description for method in METHODS.values())


def test_no_figure_cuts_the_name_of_a_method(document):
    drawings = {card.key: card.svg for section in document.sections for card in section.cards}
    for key in ("accuracy-mnist", "loss-mnist", "weights-mnist", "epoch-mnist"):
        said = " ".join(re.findall("<text[^>]*>([^<]*)</text>", drawings[key]))
        assert all(method.title in said for method in METHODS.values())


def test_the_page_is_whole_by_itself(document):
    drawn = Page(render(document))
    ids = drawn.values("id")
    assert len(ids) == len(set(ids))
    assert drawn.tags["figure"] == drawn.tags["svg"] == 10
    assert all(value.startswith(("data:", "#")) for value in drawn.values("src", "href"))
    assert not drawn.tags["script"]


def test_what_there_are_no_rows_of_is_said_and_the_rest_is_drawn():
    document = page.of([quality("accuracy", 0.9, "sgd", share) for share in SPARSITIES])
    assert [section.key for section in document.sections if not section.empty] == ["sparsity"]
    assert render(document).count("<code>python -m examples.weight_pruning --data DIR</code>") == len(WHOLE) - 1


def test_trials_count_only_where_there_is_nothing_else():
    whole = quality("accuracy", 0.9)
    trial = replace(whole, value=0.1, of={**whole.of, "epochs": 2})
    assert counted([whole, trial]) == [whole]
    assert counted([trial]) == [trial]
    with pytest.raises(DataError, match="no rows"):
        counted([])


def test_a_newer_row_of_a_seed_takes_the_place_of_the_older():
    rows = [quality("nll", 0.3), quality("nll", 0.1), quality("nll", 0.2, seed=1), quality("nll", None, "sgd_cosine")]
    assert over_seeds(rows, "nll", "method") == {("sgd",): [0.1, 0.2]}


def test_the_time_to_an_accuracy_counts_the_epoch_that_reaches_it():
    curves = [curve([0.5, 0.9, 0.95]), curve([0.91, 0.1]), curve([0.1, 0.2]), row("loss_curve", series={})]
    assert seconds_to(0.9, curves) == [20.0, 10.0, None]


def test_what_is_never_reached_is_said():
    rows = [curve([0.5]), curve([0.99], seed=1), curve([0.5], method="sgd_cosine")]
    body = {line.name: line.cells for line in tables.cost(rows, "mnist").rows}
    assert (body[METHODS["sgd"].title][1].text, body[METHODS["sgd"].title][1].detail) == ("10.0 s", "1 of 2 seeds")
    assert body[METHODS["sgd_cosine"].title][1].text == "never"


@pytest.mark.parametrize(("area", "word"), [(0.9, "smaller"), (0.1, "larger"), (0.51, "nothing")])
def test_what_the_variance_says_is_put_into_words(area, word):
    rows = [row("survival_auroc", area, "bayes_by_backprop", predicted_by="std")]
    table = tables.survival(by_dataset(rows))
    assert table is not None
    assert word in table.rows[0].note


def test_the_summary_says_who_wins_and_ends_with_the_accuracies(capsys):
    rows = [*full(), quality("accuracy", 0.9, "sgd", dataset="fashion-mnist")]
    summary.show(rows, Console(width=200))
    said = capsys.readouterr().out.splitlines()
    assert any("MNIST: Bayes by Backprop, 90 % pruned, beats the best unpruned SGD in 0 of 4" in line for line in said)
    found = json.loads(said[-1])
    assert found["fashion_mnist"] == {"sgd": {"0": 0.9}}
    assert found["mnist"]["dropout_0.9"] == {
        f"{100 * share:g}": pytest.approx(0.98 - share / 10) for share in SPARSITIES
    }
