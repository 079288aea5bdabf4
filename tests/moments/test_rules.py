"""The laws that every rule keeps, on every operator that has one."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.moments.rules import rules
from bitsback.posterior.contract import Gaussian
from tests.moments.cases import CASES, MAX_POOLS, Case, case, gaussian

DRAWS = 5_000
RULES = rules()


def applied(each: Case, known: dict[Any, Any] = RULES) -> list[Gaussian]:
    result = known[each.operator](*each.args, **each.kwargs)
    return [result] if isinstance(result, Gaussian) else list(result)


def mapped(value: Any, change: Any) -> Any:
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    return change(value) if isinstance(value, Gaussian) else value


def called(each: Case, change: Any) -> list[Tensor]:
    """The operator itself; one and the same Gaussian becomes one and the same tensor."""
    seen: dict[int, Tensor] = {}

    def once(value: Gaussian) -> Tensor:
        return seen.setdefault(id(value), change(value))

    result = each.operator(*(mapped(arg, once) for arg in each.args), **each.kwargs)
    return [result] if isinstance(result, Tensor) else list(result)


def sampled(each: Case, draws: int = DRAWS) -> tuple[list[Tensor], list[Tensor]]:
    """Mean and variance of every output by Monte Carlo."""
    generator = torch.Generator().manual_seed(5)

    def draw(value: Gaussian) -> Tensor:
        return value.mean + value.var.sqrt() * torch.randn(value.mean.shape, generator=generator, dtype=torch.float64)

    stacks = [torch.stack(one) for one in zip(*(called(each, draw) for _ in range(draws)), strict=True)]
    return [s.mean(0) for s in stacks], [s.var(0) for s in stacks]


@pytest.mark.parametrize("each", CASES, ids=lambda c: c.name)
def test_without_variance_a_rule_is_the_operator(each: Case) -> None:
    seen: dict[int, Gaussian] = {}
    args = tuple(mapped(a, lambda g: seen.setdefault(id(g), Gaussian(g.mean, g.var * 0))) for a in each.args)
    still = Case(each.operator, args, each.kwargs)
    for found, right in zip(applied(still), called(each, lambda g: g.mean.clone()), strict=True):
        torch.testing.assert_close(found.mean, right)
        assert found.var.shape == right.shape
        assert float(found.var.abs().max()) <= 1e-12


@pytest.mark.parametrize("each", CASES, ids=lambda c: c.name)
def test_a_rule_agrees_with_monte_carlo(each: Case) -> None:
    means, variances = sampled(each)
    for found, mean, var in zip(applied(each), means, variances, strict=True):
        # A rectified tail is rarely drawn; elementwise operators are held against integrals in their own tests.
        std = var.sqrt().clamp_min(0.3 * float(var.max()) ** 0.5 + 1e-12)
        noise = 6 / DRAWS**0.5  # six standard errors of a mean, and eight of a standard deviation of normals
        assert float(((found.mean - mean).abs() / std).max()) <= each.mean_error + noise
        assert float(((found.var.sqrt() - var.sqrt()).abs() / std).max()) <= each.std_error + noise


@pytest.mark.parametrize("each", CASES, ids=lambda c: c.name)
@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_a_variance_is_finite_and_not_negative_in_float32(each: Case, size: float) -> None:
    def sized(value: Gaussian) -> Gaussian:
        return Gaussian(value.mean.float(), (value.var * size).float())

    def single(value: Any) -> Any:
        if isinstance(value, list):
            return [single(item) for item in value]
        if isinstance(value, Tensor) and not isinstance(value, Gaussian):
            return value.float() if value.is_floating_point() else value
        return mapped(value, sized)

    for found in applied(Case(each.operator, tuple(single(a) for a in each.args), each.kwargs)):
        assert bool(torch.isfinite(found.mean).all())
        assert bool(torch.isfinite(found.var).all())
        assert bool((found.var >= 0).all())
        assert found.mean.dtype == found.var.dtype == torch.float32


def test_every_rule_has_a_case() -> None:
    assert {each.operator for each in CASES} == set(RULES)


@pytest.mark.parametrize("each", [c for c in MAX_POOLS if c.args[1] == [2]], ids=lambda c: c.name)
def test_clark_follows_monte_carlo_more_closely_than_the_larger_mean(each: Case) -> None:
    (mean,), (var,) = sampled(each)
    (larger,), (clark,) = applied(each), applied(each, rules("clark"))
    assert float((clark.mean - mean).abs().mean()) < 0.2 * float((larger.mean - mean).abs().mean())
    assert float((clark.var / var - 1).abs().median()) < 0.05


def test_clark_is_exact_for_two_independent_normals() -> None:
    pool = case(torch.ops.aten.max_pool1d.default, gaussian(1, 1, 2, std=2.0), [2])
    (mean,), (var,) = sampled(pool, 100_000)
    (found,) = applied(pool, rules("clark"))
    torch.testing.assert_close(found.mean, mean, rtol=0, atol=0.03)
    torch.testing.assert_close(found.var, var, rtol=0.03, atol=0)


def test_an_unknown_way_to_pool_is_refused() -> None:
    with pytest.raises(RecipeError, match="max_pool is 'largest'; it must be one of larger_mean, clark"):
        rules("largest")  # pyright: ignore[reportArgumentType]
