"""Levels, thresholds and what they cost, against all levels written out."""

import pytest
import torch

from bitsback.posterior.symbols import cells, divergence, probabilities, symbols, weights

LEVELS = torch.tensor([-0.8, -0.3, 0.0, 0.25, 0.9])
SHARES = torch.tensor([0.03, 0.05, 0.85, 0.06, 0.01])
GRID = torch.linspace(-1.5, 1.5, 3001)


def of(levels=LEVELS, shares=SHARES, width=0.1):
    return cells(levels, shares, torch.tensor(width))


@pytest.mark.parametrize("width", [0.01, 0.1, 0.2, 0.4, 1.0])
def test_a_cell_is_where_its_parabola_is_the_lowest(width):
    costs = (GRID.unsqueeze(-1) - LEVELS).square() - 2 * width**2 * SHARES.log()
    best = costs.min(-1)
    found = symbols(GRID, of(width=width))
    chosen = costs.gather(-1, found.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(chosen, best.values, rtol=0, atol=1e-5)


def test_a_level_that_is_never_worth_it_is_never_taken():
    found = symbols(GRID, of(shares=torch.tensor([0.2, 1e-6, 0.2, 0.3, 0.299999]), width=0.3))
    assert set(found.tolist()) == {0, 2, 3, 4}


def test_levels_that_meet_are_one():
    found = symbols(GRID, of(levels=torch.tensor([-0.5, -0.5, 0.0, 0.4, 0.4]), shares=torch.full((5,), 0.2)))
    assert len(set(found.tolist())) == 3


def test_probabilities_are_those_of_logistic_noise_on_the_latent():
    q = probabilities(GRID, of())
    assert (q >= 0).all()
    torch.testing.assert_close(q.sum(-1), torch.ones_like(GRID))
    uniform = torch.rand(200_000, generator=torch.Generator().manual_seed(0))
    for latent in (-0.4, 0.05, 0.2):
        noisy = latent + 0.1 * torch.logit(uniform)
        shares = torch.bincount(symbols(noisy, of()), minlength=5) / len(noisy)
        torch.testing.assert_close(shares, probabilities(torch.tensor(latent), of()), rtol=0, atol=5e-3)


def test_the_divergence_is_that_of_the_probabilities_and_becomes_the_cost_of_the_symbols():
    q = probabilities(GRID.double(), of())
    right = (torch.special.xlogy(q, q) - q * SHARES.log()).sum()
    torch.testing.assert_close(divergence(GRID, of()), right.double(), rtol=1e-5, atol=0)
    narrow = of(width=1e-5)
    cost = narrow.costs[symbols(GRID, narrow)].double().sum()
    torch.testing.assert_close(divergence(GRID, narrow), cost, rtol=1e-3, atol=0)


def test_the_price_has_the_gradient_of_the_expected_cost():
    latent = torch.randn(500, generator=torch.Generator().manual_seed(0)).mul_(0.5).requires_grad_()
    here, price = of(), torch.tensor(0.7)
    weights(latent, here, price).sum().backward()
    found = latent.grad
    latent.grad = None
    (price * (probabilities(latent, here) * here.costs).sum() + latent.sum()).backward()
    torch.testing.assert_close(found, latent.grad, rtol=1e-4, atol=1e-5)


def test_levels_get_the_gradients_of_the_weights_that_take_them():
    latent = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    levels = LEVELS.clone().requires_grad_()
    scale = torch.rand(40, 3)
    found = weights(latent, of(levels), torch.zeros(()))
    assert torch.equal(found, LEVELS[symbols(latent, of())])
    (found * scale).sum().backward()
    right = torch.stack([scale[symbols(latent, of()) == k].sum() for k in range(5)])
    torch.testing.assert_close(levels.grad, right)
