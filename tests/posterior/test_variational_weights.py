"""The gradients written by hand against automatic differentiation of formulas written with torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Normal as Reference
from torch.distributions import kl_divergence

from bitsback.posterior.prior import Normal, ScaleMixture
from bitsback.posterior.variational_weights import KlTerm, draw, kl_gradient_only, kl_value
from tests.posterior.densities import density

PRIORS = [Normal(0.7), ScaleMixture(), ScaleMixture(0.25, 1.0, 0.01)]
SHAPE = (4, 5)


def plain_kl(mean, log_std, noise, prior, sampled):
    """The KL of each weight; for the mixture in closed form the bound, from the expected log density of each component."""
    posterior = Reference(mean, log_std.exp())
    if sampled:
        return -posterior.entropy() - density(prior).log_prob(mean + log_std.exp() * noise)
    if isinstance(prior, Normal):
        return kl_divergence(posterior, density(prior))
    parts = density(prior)
    stds, shares = parts.component_distribution.scale, parts.mixture_distribution.probs
    square = (mean.square() + log_std.exp().square()).unsqueeze(-1)
    expected = -0.5 * square / stds.square() - torch.log(stds) - 0.5 * math.log(2 * math.pi)
    return -posterior.entropy() - torch.logsumexp(torch.log(shares) + expected, -1)


def moments(seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(SHAPE, generator=generator).double() * torch.tensor([1e-3, 1e-2, 0.1, 1.0, 2.0]).double()
    log_std = torch.randn(SHAPE, generator=generator).double() - 3
    noise = torch.randn(SHAPE, generator=generator).double()
    upstream = torch.randn(SHAPE, generator=generator).double()
    kept = (torch.rand(SHAPE, generator=generator) > 0.4).double()
    return mean.requires_grad_(), log_std.requires_grad_(), noise, upstream, kept


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("prior", PRIORS, ids=repr)
class TestGradients:
    scale = torch.tensor(0.37, dtype=torch.float64)

    def test_a_draw_carries_the_gradients_of_likelihood_and_kl(self, prior, sampled, masked):
        mean, log_std, noise, upstream, kept = moments()
        weights = draw(mean, log_std, noise, KlTerm(prior, sampled, self.scale, kept if masked else None))
        found = torch.autograd.grad((weights * upstream).sum(), (mean, log_std))
        kept = kept if masked else torch.ones_like(kept)
        plain = (mean + log_std.exp() * noise) * kept
        kl = (plain_kl(mean, log_std, noise, prior, sampled) * kept).sum()
        expected = torch.autograd.grad((plain * upstream).sum() + self.scale * kl, (mean, log_std))
        torch.testing.assert_close(weights, plain)
        torch.testing.assert_close(found, expected)
        assert all((gradient[kept == 0] == 0).all() for gradient in found)

    def test_the_kl_alone_is_worth_nothing_and_carries_its_gradient(self, prior, sampled, masked):
        mean, log_std, noise, _, kept = moments(1)
        term = KlTerm(prior, sampled, self.scale, kept if masked else None)
        nothing = kl_gradient_only(mean, log_std, noise if sampled else None, term)
        assert nothing == 0
        found = torch.autograd.grad(3 * nothing, (mean, log_std))
        kl = plain_kl(mean, log_std, noise, prior, sampled) * (kept if masked else 1)
        expected = torch.autograd.grad(3 * self.scale * kl.sum(), (mean, log_std))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_values_are_those_of_the_plain_formulas(prior):
    mean, log_std, noise, _, _ = moments(2)
    for each, sampled in ((noise, True), (None, False)):
        found, expected = kl_value(mean, log_std, each, prior), plain_kl(mean, log_std, noise, prior, sampled)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def quadrature(mean, std, prior):
    """KL(N(mean, std²) || prior) by the trapezoidal rule."""
    weights = torch.linspace(mean - 12 * std, mean + 12 * std, 200_001).double()
    log_q = Reference(torch.tensor(mean).double(), torch.tensor(std).double()).log_prob(weights)
    return float(torch.trapezoid(log_q.exp() * (log_q - density(prior).log_prob(weights)), weights))


@pytest.mark.parametrize("mean", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("std", [1e-3, 0.05, 0.5])
@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_draws_average_to_the_kl_and_the_closed_form_is_no_smaller(prior, mean, std):
    exact = quadrature(mean, std, prior)
    many = torch.full((200_000,), mean).double()
    log_std = torch.full_like(many, math.log(std))
    noise = torch.randn(many.shape, generator=torch.Generator().manual_seed(0)).double()
    drawn = kl_value(many, log_std, noise, prior)
    assert abs(float(drawn.mean()) - exact) < 5 * float(drawn.std()) / math.sqrt(len(many)) + 1e-6
    closed = float(kl_value(many[:1], log_std[:1], None, prior))
    assert closed >= exact - 1e-6
    if prior.exact_in_closed_form:
        assert closed == pytest.approx(exact, rel=1e-6, abs=1e-6)
