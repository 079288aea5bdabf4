import itertools

import numpy as np
import pytest

from bitsback.measure.selective import aurc, risk_coverage, risks


def test_ties_are_averaged_over_all_their_orders():
    scores, losses = np.array([1.0, 0.0, 1.0, 2.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0, 3.0])
    orders = [o for o in itertools.permutations(range(5)) if np.all(np.diff(scores[list(o)]) >= 0)]
    every = [np.cumsum(losses[list(order)]) / np.arange(1, 6) for order in orders]
    assert risks(scores, losses) == pytest.approx(np.mean(every, axis=0))


def test_a_score_that_says_nothing_has_the_overall_risk_everywhere():
    losses = np.array([1.0, 0, 0, 1])
    assert risks(np.zeros(4), losses) == pytest.approx([0.5] * 4)
    assert aurc(np.zeros(4), losses) == 0.5


def test_a_perfect_order_is_better_than_its_reverse():
    losses = np.array([0.0] * 8 + [1.0] * 2)
    good, bad = aurc(np.arange(10), losses), aurc(-np.arange(10), losses)
    assert good == pytest.approx((1 / 9 + 2 / 10) / 10)
    assert bad > losses.mean() > good


@pytest.mark.parametrize("count", [1, 2, 7, 199, 1000])
def test_the_curve_ends_with_everything_answered(count):
    generator = np.random.default_rng(count)
    scores, losses = generator.random(count), (generator.random(count) < 0.3).astype(float)
    curve = risk_coverage(scores, losses)
    assert curve["coverage"][-1] == 1
    assert curve["risk"][-1] == pytest.approx(losses.mean())
    assert len(curve["risk"]) == len(curve["coverage"]) == min(count, 200)
    every = risks(scores, losses)
    assert curve["risk"] == pytest.approx([every[round(c * count) - 1] for c in curve["coverage"]])
