import math

import pytest
from scipy.stats import binom

from bitsback.measure.binomial import fewest_trials, lower_tail


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("trials", [0, 1, 7, 300, 20000])
def test_the_tail_is_scipys(trials, rate):
    for count in {0, min(1, trials), trials // 100, trials // 2, trials}:
        assert lower_tail(count, trials, rate) == pytest.approx(binom.cdf(count, trials, rate), rel=1e-9, abs=1e-300)


def test_the_whole_distribution_by_its_definition():
    masses = [math.comb(12, k) * 0.3**k * 0.7 ** (12 - k) for k in range(13)]
    for count in range(13):
        assert lower_tail(count, 12, 0.3) == pytest.approx(sum(masses[: count + 1]))


@pytest.mark.parametrize("rate", [0.003, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("chance", [0.3, 0.05, 0.001])
def test_fewest_trials_is_the_first_that_can_reject(rate, chance):
    fewest = fewest_trials(rate, chance)
    assert lower_tail(0, fewest, rate) <= chance < lower_tail(0, fewest - 1, rate)
