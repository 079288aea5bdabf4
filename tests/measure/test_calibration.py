import math

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from bitsback.measure.calibration import BINS, brier, ece, nll, reliability
from tests.measure.answers import classifier


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("sharpness", [0.1, 2.0, 30.0])
def test_agrees_with_torchmetrics_and_scikit_learn(classes, sharpness):
    generator = np.random.default_rng(classes)
    probabilities = classifier(400, classes, generator, sharpness=sharpness).mean.astype(np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    labels = generator.integers(0, classes, 400)
    right = probabilities.argmax(1) == labels
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(labels), num_classes=classes, n_bins=BINS, norm="l1"
    )
    everyone = list(range(classes))
    assert ece(probabilities.max(1), right) == pytest.approx(float(theirs), abs=1e-6)
    clipped = np.clip(probabilities, np.finfo(np.float64).eps, 1)
    assert nll(clipped, labels) == pytest.approx(
        log_loss(labels, clipped / clipped.sum(1, keepdims=True), labels=everyone)
    )
    if classes > 2:
        theirs = brier_score_loss(labels, probabilities, labels=everyone, scale_by_half=False)
        assert brier(probabilities, labels) == pytest.approx(theirs)


def test_a_probability_of_zero_costs_the_floor_and_not_infinity():
    one_hot = np.eye(3, dtype=np.float32)
    assert nll(one_hot, np.array([0, 1, 2])) == 0
    assert nll(one_hot[:1], np.array([2])) == pytest.approx(126 * math.log(2))
    assert brier(one_hot[:1], np.array([2])) == 2


def test_bins_are_closed_above_and_hold_every_sample():
    confidence = np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 0.5, 1.0, 1.0])
    found = reliability(confidence, np.array([0, 1, 0, 1, 1, 0], bool))
    assert found["count"] == [2, 1] + [0] * 5 + [1] + [0] * 6 + [2]
    assert found["accuracy"][0] == 0.5
    assert found["accuracy"][14] == 0.5
    assert found["confidence"][14] == 1.0
    assert found["confidence"][2] == pytest.approx(2.5 / 15)


def test_ece_is_what_the_definition_says():
    generator = np.random.default_rng(3)
    confidence = np.round(generator.random(200), 2)
    right = generator.random(200) < confidence
    gaps = 0.0
    for low in range(BINS):
        inside = [i for i, c in enumerate(confidence) if low / BINS < c <= (low + 1) / BINS or (c == 0 and low == 0)]
        if inside:
            gaps += len(inside) / 200 * abs(np.mean(right[inside]) - np.mean(confidence[inside]))
    assert ece(confidence, right) == pytest.approx(gaps)
    assert ece(np.ones(4), np.ones(4, bool)) == 0
    assert ece(np.ones(4), np.zeros(4, bool)) == 1
