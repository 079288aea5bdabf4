"""Laws of what says whether chains mixed."""

import numpy as np
import pytest

from bitsback.measure.mixing import MIXED, effective_samples, split_rhat

RANDOM = np.random.default_rng(0)


def autoregressive(chains, draws, correlation):
    values = np.zeros((chains, draws))
    values[:, 0] = RANDOM.standard_normal(chains)
    for each in range(1, draws):
        noise = np.sqrt(1 - correlation**2) * RANDOM.standard_normal(chains)
        values[:, each] = correlation * values[:, each - 1] + noise
    return values


def test_independent_draws_agree_and_count_whole():
    values = RANDOM.standard_normal((4, 2000))
    assert split_rhat(values) == pytest.approx(1, abs=0.005)
    assert effective_samples(values) == pytest.approx(8000, rel=0.1)


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_draws_that_hang_together_count_as_the_autocorrelation_says(correlation):
    values = autoregressive(4, 20_000, correlation)
    assert effective_samples(values) == pytest.approx(80_000 * (1 - correlation) / (1 + correlation), rel=0.1)


def test_a_chain_elsewhere_and_one_that_is_wider_are_seen():
    elsewhere, wider = RANDOM.standard_normal((2, 4, 100))
    elsewhere[2] += 3
    wider[2] *= 10
    for values in (elsewhere, wider):
        rhat = split_rhat(values)
        assert rhat is not None
        assert rhat > MIXED
    assert effective_samples(elsewhere) < 30


def test_a_chain_that_drifts_is_seen_though_it_is_alone():
    rhat = split_rhat(np.linspace(0, 3, 100)[None] + 0.3 * RANDOM.standard_normal((1, 100)))
    assert rhat is not None
    assert rhat > 1.5


def test_only_the_order_of_the_values_counts():
    values = RANDOM.standard_normal((3, 50))
    assert effective_samples(np.exp(values)) == pytest.approx(effective_samples(values))


def test_what_never_moves_says_nothing_and_stuck_chains_do_not_agree():
    assert split_rhat(np.ones((3, 10))) == 1.0
    stuck = np.repeat(np.arange(3.0)[:, None], 10, 1)
    assert split_rhat(stuck) == np.inf
    assert effective_samples(stuck) < 6


def test_too_few_draws_have_no_figure():
    assert split_rhat(np.zeros((4, 3))) is None
    assert effective_samples(np.zeros((4, 3))) is None
