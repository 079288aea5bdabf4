"""Factors that make one pass spread as draws do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bitsback.given.network import Network, trace
from bitsback.given.reference import lenet_5
from bitsback.moments.calibration import calibration, fit_factors
from bitsback.moments.check import Layer, check
from bitsback.moments.correlated import CorrelatedInterpreter
from bitsback.moments.interpret import GaussianInterpreter
from bitsback.moments.monte_carlo import Draws
from bitsback.moments.rules import rules
from tests.networks import posterior_over


class Twice(nn.Module):
    """A sum of two branches that share their weight, which the rules take as independent."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.last = nn.Linear(5, 6, bias=False), nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.dense(inputs) + self.dense(inputs))


class Pooled(nn.Module):
    """An average over positions that are all the same where the input is, which only what they have in common tells."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.pool = nn.Conv2d(1, 5, 1), pool

    def forward(self, inputs: Tensor) -> Tensor:
        return self.pool(self.first(inputs)).flatten(1)


def fitted(network: Network, inputs: Tensor, seed: int = 0) -> tuple[dict[str, float], CorrelatedInterpreter]:
    interpreter = CorrelatedInterpreter(network.graph, rules())
    found = fit_factors(network, posterior_over(network), interpreter, calibration(inputs, seed))
    return found, interpreter


def test_branches_that_are_one_and_the_same_get_the_factor_that_they_lack() -> None:
    network, inputs = trace(Twice(), (5,)), torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    found, _ = fitted(network, inputs)
    assert found.keys() == {"linear", "linear_1", "add", "linear_2"}
    assert found["linear"] == pytest.approx(1, abs=0.15)
    assert found["add"] == pytest.approx(2, abs=0.2)  # (1 + 1)² of one variance, where the rule has 1 + 1


@pytest.mark.parametrize(
    ("pool", "averaged"),
    [
        (lambda maps: maps.mean((2, 3)), 16),
        (lambda maps: functional.avg_pool2d(maps, 2), 4),
        (lambda maps: functional.adaptive_avg_pool2d(maps, 1), 16),
        (lambda maps: functional.avg_pool1d(maps.flatten(2), 8), 8),
        (lambda maps: functional.adaptive_avg_pool1d(maps.flatten(2), 2), 8),
    ],
)
def test_an_average_of_what_is_all_the_same_has_the_factor_that_independence_divides_by(
    pool: Callable[[Tensor], Tensor], averaged: int
) -> None:
    network, inputs = trace(Pooled(pool), (1, 4, 4)), torch.arange(1.0, 9).reshape(8, 1, 1, 1).expand(8, 1, 4, 4)
    interpreter = GaussianInterpreter(network.graph, rules())
    found = fit_factors(network, posterior_over(network), interpreter, calibration(inputs, 0))
    assert found.pop("conv2d") == pytest.approx(1, abs=0.15)
    assert list(found.values()) == pytest.approx([averaged], rel=1e-3)


@pytest.mark.parametrize("pool", [lambda maps: maps.mean((2, 3)), lambda maps: functional.avg_pool2d(maps, 2)])
def test_an_average_whose_positions_common_part_is_known_needs_none(pool: Callable[[Tensor], Tensor]) -> None:
    network = trace(Pooled(pool), (1, 4, 4))
    found, _ = fitted(network, torch.arange(1.0, 9).reshape(8, 1, 1, 1).expand(8, 1, 4, 4))
    assert found.keys() > {"conv2d"}
    assert [factor for name, factor in found.items() if name != "conv2d"] == pytest.approx([1], rel=1e-3)


def test_medians_are_those_of_the_draws_that_they_were_fitted_to() -> None:
    torch.manual_seed(0)
    network, inputs = trace(lenet_5((1, 12, 12), 5), (1, 12, 12)), torch.randn(8, 1, 12, 12)
    found, interpreter = fitted(network, inputs, seed=3)

    def layers(with_factors: CorrelatedInterpreter) -> dict[str, Layer]:
        draws = Draws(400, torch.Generator().manual_seed(3))
        return {each.node: each for each in check(network, posterior_over(network), with_factors, inputs, draws)}

    scaled, plain = layers(interpreter), layers(CorrelatedInterpreter(network.graph, rules()))
    for name in found:
        assert scaled[name].std_ratio == pytest.approx(1, abs=0.015)  # a median between two elements
    assert max(abs(plain[name].std_ratio - 1) for name in found) > 0.03


def test_the_seed_and_the_inputs_decide() -> None:
    network, inputs = trace(Twice(), (5,)), torch.randn(20, 5)
    assert fitted(network, inputs, 1)[0] == fitted(network, inputs, 1)[0]
    assert fitted(network, inputs, 1)[0] != fitted(network, inputs, 2)[0]
    assert calibration(inputs, 1) == calibration(inputs.clone(), 1)
    assert calibration(inputs, 1) != calibration(inputs + 1, 1)


def test_what_does_not_vary_has_no_factor_but_one() -> None:
    network, inputs = trace(nn.Linear(3, 2), (3,)), torch.zeros(4, 3)
    posterior = posterior_over(network, std=0.0)
    interpreter = CorrelatedInterpreter(network.graph, rules())
    assert fit_factors(network, posterior, interpreter, calibration(inputs, 0)) == {"linear": 1.0}
