import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bitsback.report.figures.reliability import card, interval, joined
from tests.report.journal import DENSE, row


@given(st.lists(st.integers(0, 60), min_size=1, max_size=15))
def test_joining_bins_loses_no_answer_and_leaves_none_small(counts):
    count = np.array(counts, dtype=float)
    confidence = np.where(count > 0, np.linspace(0.1, 1.0, count.size), np.nan)
    accuracy = np.where(count > 0, 0.5, np.nan)
    believed, right, size = joined(confidence, accuracy, count)
    assert size.sum() == count.sum()
    assert np.nansum(confidence * count) == pytest.approx((believed * size).sum())
    assert right == pytest.approx(np.full(size.size, 0.5))
    assert np.all(size >= min(20, count.sum()))
    assert np.all(np.diff(believed) > 0)


def test_bins_that_are_large_enough_stay_as_they_are():
    bins = np.array([0.3, 0.6, 0.9]), np.array([0.2, 0.7, 0.8]), np.array([20.0, 30.0, 400.0])
    assert [found.tolist() for found in joined(*bins)] == [one.tolist() for one in bins]


@pytest.mark.parametrize(("right", "count"), [(0, 20), (3, 20), (150, 200), (200, 200)])
def test_the_interval_is_wilsons(right, count):
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    low, high = interval(np.array([right / count]), np.array([float(count)]))
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_the_answers_are_counted():
    series = {"confidence": [0.6, 0.95], "accuracy": [0.5, 1.0], "count": [4, 1196]}
    found = card([row("reliability", series=series, **DENSE)])
    assert found is not None
    assert "1,200 answers" in found.caption
