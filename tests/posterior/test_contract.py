"""The laws of every posterior, whatever fitted it."""

import math

import pytest
import torch

from bitsback.compress.masks import Masked, prune
from bitsback.given.network import trace
from bitsback.posterior.point_posterior import PointPosterior
from tests.networks import normed, posterior_over, unsettle

COUNT = 20_000


def network():
    return trace(unsettle(normed()), (4,))


def mean_field():
    return posterior_over(network(), std=0.5)


def point():
    whole = mean_field()
    return PointPosterior(whole.means, whole.fixed)


def masked(inner):
    generator = torch.Generator().manual_seed(5)
    means = {name: marginal.mean for name, marginal in inner.marginals().items() if marginal.mean.ndim > 1}
    return prune(inner, {name: (torch.rand(m.shape, generator=generator) > 0.5).float() for name, m in means.items()})


POSTERIORS = {
    "mean field": mean_field,
    "point": point,
    "masked mean field": lambda: masked(mean_field()),
    "masked point": lambda: masked(point()),
    "masked twice": lambda: masked(masked(mean_field())),
    "masked by nothing": lambda: Masked(mean_field(), {}),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=POSTERIORS.values(), ids=POSTERIORS.keys())
def posterior(request):
    torch.manual_seed(0)
    return request.param()


def test_names_and_shapes_of_draws_are_those_of_the_marginals(posterior):
    marginals = posterior.marginals()
    for count in (1, 3):
        draws = posterior.sample(count, generator())
        assert list(draws) == list(marginals)
        assert all(
            draws[name].shape == (count, *m.mean.shape) == (count, *m.var.shape) for name, m in marginals.items()
        )
        assert all(draws[name].dtype == m.mean.dtype for name, m in marginals.items())


def test_the_marginals_are_the_moments_of_the_draws(posterior):
    draws = posterior.sample(COUNT, generator())
    for name, marginal in posterior.marginals().items():
        found = draws[name].double()
        std = marginal.var.double().sqrt()
        assert ((found.mean(0) - marginal.mean).abs() <= 5.5 * std / math.sqrt(COUNT) + 1e-12).all()
        assert ((found.var(0) - marginal.var).abs() <= 5.5 * marginal.var * math.sqrt(2 / COUNT) + 1e-12).all()


def test_the_weights_of_a_draw_are_independent_of_those_of_the_next(posterior):
    draws = posterior.sample(COUNT, generator())
    for name, marginal in posterior.marginals().items():
        centred = (draws[name] - marginal.mean) / marginal.var.sqrt().clamp_min(1e-12)
        assert ((centred[:-1] * centred[1:]).mean(0).abs() <= 5.5 / math.sqrt(COUNT)).all()


def test_the_same_seed_gives_the_same_draws(posterior):
    one, again = posterior.sample(4, generator(3)), posterior.sample(4, generator(3))
    assert all(torch.equal(one[name], again[name]) for name in one)
    other = posterior.sample(4, generator(4))
    random = any(bool(marginal.var.any()) for marginal in posterior.marginals().values())
    assert any(not torch.equal(one[name], other[name]) for name in one) is random


def test_global_random_numbers_are_left_alone(posterior):
    before = torch.get_rng_state()
    posterior.sample(2, generator())
    assert torch.equal(torch.get_rng_state(), before)


def test_random_and_fixed_tensors_are_together_what_the_network_takes(posterior):
    random, fixed = set(posterior.marginals()), set(posterior.fixed)
    assert not random & fixed
    assert random | fixed == set(network().names)
    assert set(posterior.centre()) == random | fixed


def test_the_network_runs_at_the_mean_and_at_a_draw(posterior):
    inputs, whole = torch.randn(2, 4), network()
    drawn = {name: draws[0] for name, draws in posterior.sample(1, generator()).items()}
    assert whole(posterior.centre(), inputs).shape == (2, 3)
    assert whole({**posterior.fixed, **drawn}, inputs).shape == (2, 3)


def test_no_variance_is_negative(posterior):
    assert all((marginal.var >= 0).all() for marginal in posterior.marginals().values())
