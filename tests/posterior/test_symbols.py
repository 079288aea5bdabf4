"""Levels, thresholds and what they cost, against all levels written out."""

import pytest
import torch

from bitsback.posterior.symbols import cells, costs, divergence, length, probabilities, symbols, weights

LEVELS = torch.tensor([-0.8, -0.3, 0.0, 0.25, 0.9])
SHARES = torch.tensor([0.2, 0.33, 0.0, 0.4, 0.07])
KEPT = (torch.tensor([[0.15], [0.6], [0.02]]).logit(), torch.tensor([[0.0, 0.2, -1.0, -4.0]]))
ZERO = torch.zeros(1, 1)
GRID = torch.linspace(-1.5, 1.5, 3001).unsqueeze(0)


FLAT = (torch.tensor([[0.15]]).logit(), ZERO)


def of(levels=LEVELS, shares=SHARES, width=0.1, kept=FLAT):
    rows, columns = kept
    return cells(levels, shares, torch.tensor(width))._replace(rows=rows, columns=columns)


def written_out(here, *shape):
    """−ln p of every level for every weight, `[*shape, K]`."""
    return costs(here).expand(-1, *shape).movedim(0, -1)


@pytest.mark.parametrize("width", [0.01, 0.1, 0.2, 0.4, 1.0])
@pytest.mark.parametrize("chance", [1e-4, 0.15, 0.97])
def test_a_cell_is_where_its_parabola_is_the_lowest(width, chance):
    here = of(width=width, kept=(torch.tensor([[chance]]).logit(), ZERO))
    heights = (GRID.unsqueeze(-1) - LEVELS).square() + 2 * width**2 * written_out(here, *GRID.shape)
    best = heights.min(-1)
    chosen = heights.gather(-1, symbols(GRID, here).long().unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(chosen, best.values, rtol=0, atol=1e-5)


def test_what_each_weight_costs_is_told_by_its_row_and_its_column():
    here = of(kept=KEPT, width=0.2)
    found = written_out(here, 3, 4)
    assert (found[..., 1] - found[..., 2]).argmax() == 11  # the row and the column that keep the least
    torch.testing.assert_close((-found).exp().sum(-1), torch.ones(3, 4))
    latent = 0.7 * torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    heights = (latent.unsqueeze(-1) - LEVELS).square() + 2 * 0.2**2 * found
    chosen = heights.gather(-1, symbols(latent, here).long().unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(chosen, heights.amin(-1), rtol=0, atol=1e-5)


def test_a_level_that_is_never_worth_it_is_never_taken():
    shares = torch.tensor([0.25, 1e-6, 0.0, 0.4, 0.349999])
    found = symbols(GRID, of(shares=shares, width=0.2, kept=(torch.tensor([[0.8]]).logit(), ZERO)))
    assert set(found.flatten().tolist()) == {0, 2, 3, 4}


def test_levels_that_meet_are_one():
    found = symbols(GRID, of(levels=torch.tensor([-0.5, -0.5, 0.0, 0.4, 0.4]), shares=torch.full((5,), 0.25)))
    assert len(set(found.flatten().tolist())) == 3


def test_of_levels_that_are_equal_the_one_that_comes_more_often_is_taken():
    shares = torch.tensor([0.1, 0.4, 0.0, 0.45, 0.05])
    here = of(levels=torch.tensor([-0.5, -0.5, 0.0, 0.4, 0.4]), shares=shares)
    assert set(symbols(GRID, here).flatten().tolist()) == {1, 2, 3}
    assert (probabilities(GRID, here) >= 0).all()


def test_three_levels_are_enough():
    here = of(levels=torch.tensor([-0.5, 0.0, 0.4]), shares=torch.tensor([0.5, 0.0, 0.5]))
    assert set(symbols(GRID, here).flatten().tolist()) == {0, 1, 2}
    torch.testing.assert_close(probabilities(GRID, here).sum(-1), torch.ones_like(GRID))


@pytest.mark.parametrize("chance", [0.15, 0.97])
def test_probabilities_are_those_of_logistic_noise_on_the_latent(chance):
    here = of(kept=(torch.tensor([[chance]]).logit(), ZERO))
    q = probabilities(GRID, here)
    assert (q >= 0).all()
    torch.testing.assert_close(q.sum(-1), torch.ones_like(GRID))
    uniform = torch.rand(200_000, generator=torch.Generator().manual_seed(0))
    for latent in (-0.4, 0.05, 0.2):
        noisy = latent + 0.1 * torch.logit(uniform).unsqueeze(0)
        shares = torch.bincount(symbols(noisy, here)[0], minlength=5) / noisy.numel()
        torch.testing.assert_close(shares, probabilities(torch.tensor([[latent]]), here)[0, 0], rtol=0, atol=5e-3)


def test_the_divergence_is_that_of_the_probabilities_and_becomes_the_cost_of_the_symbols():
    q = probabilities(GRID.double(), of())
    right = (torch.special.xlogy(q, q) + q * written_out(of(), *GRID.shape)).sum()
    assert divergence(GRID, of()) == pytest.approx(float(right), rel=1e-5)
    narrow = of(width=1e-5)
    found = symbols(GRID, narrow)
    assert length(found, narrow) == pytest.approx(divergence(GRID, narrow), rel=1e-3)
    cost = written_out(narrow, *GRID.shape).gather(-1, symbols(GRID, narrow).long().unsqueeze(-1)).double().sum()
    assert length(found, narrow) == pytest.approx(float(cost), rel=1e-5)


@pytest.mark.parametrize("kept", [FLAT, KEPT])
@pytest.mark.parametrize("columns", [4, 80_000])  # together, and one row after the other
def test_the_price_has_the_gradient_of_the_expected_cost(kept, columns):
    rows, across = kept
    kept = rows, across.repeat(1, columns // across.shape[1])
    latent = torch.randn(3, columns, generator=torch.Generator().manual_seed(0)).mul_(0.5).requires_grad_()
    here, price = of(kept=kept), torch.tensor(0.7)
    weights(latent, here, price).sum().backward()
    found = latent.grad
    latent.grad = None
    (price * (probabilities(latent, here) * written_out(here, 3, columns)).sum() + latent.sum()).backward()
    torch.testing.assert_close(found, latent.grad, rtol=1e-4, atol=1e-5)


def test_levels_get_the_gradients_of_the_weights_that_take_them():
    latent = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    levels = LEVELS.clone().requires_grad_()
    scale = torch.rand(40, 3)
    found = weights(latent, of(levels), torch.zeros(()))
    assert torch.equal(found, LEVELS[symbols(latent, of())])
    (found * scale).sum().backward()
    right = torch.stack([scale[symbols(latent, of()) == k].sum() * (k != 2) for k in range(5)])
    torch.testing.assert_close(levels.grad, right)
