import pytest

from examples.weight_pruning.worth import duels, verdict
from tests.examples.study import quality


def rows(**values):
    """NLL and OOD AUROC of the pruned posterior and of unpruned networks, one value a seed."""
    return [
        quality(what, value, method, 0.9 if method == "bayes_by_backprop" else 0.0, seed=seed)
        for method, figures in values.items()
        for what, found in figures.items()
        for seed, value in enumerate(found)
    ]


def test_the_opponent_is_the_best_sgd_of_each_figure_over_its_seeds():
    found = rows(
        bayes_by_backprop={"nll": [0.05, 0.07], "ood_auroc_total": [0.9]},
        sgd={"nll": [0.01, 0.2], "ood_auroc_total": [0.95]},
        sgd_cosine={"nll": [0.08, 0.08], "ood_auroc_total": [0.8]},
        **{"dropout_0.5": {"nll": [0.001], "ood_auroc_total": [0.99]}},
    )
    found += [quality("nll", 0.0, "sgd", 0.9)]  # pruned: no opponent
    nll, auroc = duels(found)
    assert (nll.method, nll.winner, nll.clear) == ("sgd_cosine", "Bayes by Backprop", True)
    assert (auroc.method, auroc.winner) == ("sgd", "SGD")
    assert nll.lead == pytest.approx(0.02)
    assert auroc.lead == pytest.approx(-0.05)
    assert "1 of 2 figures; not in OOD AUROC, total." in verdict([nll, auroc])


def test_knowledge_stands_beside_what_a_point_has():
    found = rows(
        bayes_by_backprop={"ood_auroc_knowledge": [0.9]},
        sgd={"ood_auroc_knowledge": [0.5], "ood_auroc_total": [0.95]},
    )
    (duel,) = duels(found)
    assert (duel.baseline, duel.winner) == ((0.95,), "SGD")
    assert "(its total)" in duel.told


def test_ranges_that_touch_are_not_clear_and_equal_means_have_no_winner():
    (near,) = duels(rows(bayes_by_backprop={"nll": [0.05, 0.07]}, sgd={"nll": [0.07, 0.09]}))
    assert not near.clear
    (same,) = duels(rows(bayes_by_backprop={"nll": [0.05]}, sgd={"nll": [0.05]}))
    assert same.winner == ""


def test_without_both_sides_there_is_no_duel():
    assert duels(rows(sgd={"nll": [0.1]})) == []
    assert duels(rows(bayes_by_backprop={"nll": [0.1]})) == []
