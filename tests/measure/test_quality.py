import json
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score, root_mean_squared_error

from bitsback.errors import DataError
from bitsback.measure.quality import classification, curves, measurements, regression
from tests.measure.answers import Answers, certain, classifier


def regressor(count, targets, generator):
    data, knowledge = generator.random((2, count)) + 0.1
    return Answers(generator.normal(size=(count, targets)).astype(np.float32), data + knowledge, data, knowledge)


def test_classification_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    inside, outside = classifier(300, 5, generator, sharpness=4), classifier(200, 5, generator, sharpness=1)
    labels = generator.integers(0, 5, 300)
    found = classification(inside, labels, outside)
    wrong = inside.mean.argmax(1) != labels
    assert found["accuracy"] == accuracy_score(labels, inside.mean.argmax(1))
    for score in ("total", "knowledge"):
        mine, theirs = getattr(inside, score), getattr(outside, score)
        both = np.concatenate([theirs, mine])
        assert found[f"ood_auroc_{score}"] == pytest.approx(roc_auc_score(np.repeat([1, 0], [200, 300]), both))
        assert found[f"misclassification_auroc_{score}"] == pytest.approx(roc_auc_score(wrong, mine))
    confident = inside.mean.max(1)[wrong] >= 0.99
    assert found["confident_errors"] == confident.sum() / wrong.sum()


def test_where_nothing_is_wrong_nothing_is_undefined_but_said_to_be():
    labels = np.array([0, 1, 2, 2])
    found = classification(certain(labels, 3), labels)
    nothing = [name for name, value in found.items() if value is None]
    assert set(nothing) == {"confident_errors"} | {
        f"{kind}_auroc_{score}" for kind in ("ood", "misclassification") for score in ("total", "knowledge")
    }
    assert found["accuracy"] == 1
    assert found["nll"] == found["ece"] == found["brier"] == found["aurc_total"] == 0


def test_where_everything_is_wrong_and_certain():
    found = classification(certain(np.zeros(4, int), 2), np.ones(4, int), certain(np.zeros(3, int), 2))
    assert found["confident_errors"] == found["ece"] == found["aurc_total"] == 1
    assert found["misclassification_auroc_total"] is None
    assert found["ood_auroc_total"] == 0.5


def test_a_single_sample_has_its_figures():
    found = classification(certain(np.array([1]), 2), np.array([0]))
    assert all(value is None or math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("targets", [1, 2])
def test_regression_agrees_with_scikit_learn(targets):
    generator = np.random.default_rng(targets)
    outputs, truth = regressor(100, targets, generator), generator.normal(size=(100, targets))
    found = regression(outputs, truth, regressor(20, targets, generator))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, outputs.mean))
    together = root_mean_squared_error(truth.ravel(), outputs.mean.ravel())
    assert found["rmse"] == pytest.approx(together)
    assert all(value is not None and math.isfinite(value) for value in found.values())
    if targets == 1:
        assert regression(outputs, truth[:, 0])["mae"] == found["mae"]


def test_the_rows_are_the_journals_vocabulary():
    generator = np.random.default_rng(2)
    inside, outside = classifier(50, 3, generator), classifier(20, 3, generator)
    labels = generator.integers(0, 3, 50)
    rows = measurements(inside, labels, outside, of={"stage": "dense", "form": "point"})
    assert {row.what: row.value for row in rows if row.series is None} == classification(inside, labels, outside)
    series = {(row.what, row.of.get("score")): row.series for row in rows if row.series is not None}
    assert set(series) == {("reliability", None), ("risk_coverage", "total")} | {
        ("uncertainty_histogram", score) for score in ("total", "knowledge")
    }
    assert series["reliability", None] == curves(inside, labels, outside)["reliability"]
    assert all(row.of["stage"] == "dense" for row in rows)
    assert all(row.value is None for row in rows if row.series)
    json.dumps([row.series for row in rows], allow_nan=False)


def test_regression_rows_have_no_reliability():
    generator = np.random.default_rng(3)
    rows = measurements(regressor(30, 1, generator), np.zeros((30, 1)), task="regression", of={"stage": "dense"})
    assert {row.what for row in rows if row.series} == {"risk_coverage"}
    assert {row.unit for row in rows if row.what == "mae"} == {"target units"}


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (np.array([0, 1]), "2 targets"),
        (np.array([0, 1, 3]), "0 to 3"),
        (np.array([-1, 1, 2]), "-1 to 2"),
        (np.array([0.0, 1.0, 2.0]), "float64"),
        (np.zeros(0, int), "0 targets"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, said):
    outputs = certain(np.array([0, 1, 2])[: max(len(targets), 3)], 3)
    with pytest.raises(DataError, match=said):
        classification(outputs, targets)


def test_nan_is_refused_by_the_name_of_the_output():
    labels = np.array([0, 1])
    good = certain(labels, 2)
    bad = good._replace(total=np.array([0, np.nan]))
    with pytest.raises(DataError, match="'total'"):
        classification(bad, labels)
    with pytest.raises(DataError, match="'total'"):
        classification(good, labels, bad)
    with pytest.raises(DataError, match="'total'"):
        curves(good, labels, bad)
    with pytest.raises(DataError, match=r"\(2, 2\)"):
        regression(good, np.zeros((2, 1)))
