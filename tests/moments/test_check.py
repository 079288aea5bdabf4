"""One pass against Monte Carlo, on networks whose correlations are known."""

import pytest
import torch
from torch import Tensor, nn

from bitsback.given.network import Network, trace
from bitsback.moments.check import Layer, check
from bitsback.moments.correlated import CorrelatedInterpreter
from bitsback.moments.interpret import GaussianInterpreter
from bitsback.moments.monte_carlo import Draws
from bitsback.moments.rules import rules
from bitsback.posterior.mean_field import MeanFieldPosterior


def posterior_of(network: Network, std: float) -> MeanFieldPosterior:
    means = {name: network.params[name] for name in network.bayesian}
    fixed = {**{name: network.params[name] for name in network.deterministic}, **network.buffers}
    return MeanFieldPosterior(means, {name: torch.full_like(mean, std) for name, mean in means.items()}, fixed)


def layers(network: Network, kind: type[GaussianInterpreter], std: float = 0.1, draws: int = 600) -> dict[str, Layer]:
    inputs = torch.rand(4, *network.input_shape, generator=torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(3)
    interpreter = kind(network.graph, rules())
    found = check(network, posterior_of(network, std), interpreter, inputs, Draws(draws, generator))
    return {layer.node: layer for layer in found}


class Residual(nn.Module):
    """A sum of branches that share all their weights, or none."""

    def __init__(self, same: bool) -> None:
        super().__init__()
        self.left = nn.Linear(5, 6, bias=False)
        self.right = self.left if same else nn.Linear(5, 6, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.left(inputs) + self.right(inputs)


@pytest.mark.parametrize(("same", "correlation"), [(True, 1.0), (False, 0.0)])
def test_branches_correlate_as_their_weights_do(same: bool, correlation: float) -> None:
    found = layers(trace(Residual(same), (5,)), GaussianInterpreter)["add"]
    assert found.correlation == pytest.approx(correlation, abs=0.05)
    assert found.operator == "add"
    assert "self.left(inputs) + self.right(inputs)" in found.place
    # The rule takes the branches as independent: twice one variance where it is four times one.
    assert found.std_ratio == pytest.approx(1 / (2**0.5) if same else 1, abs=0.08)


class Averaged(nn.Module):
    """Two convolutions and the average of their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.last = nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.second(torch.relu(self.first(inputs))))
        return self.last(nn.functional.adaptive_avg_pool2d(hidden, 1).flatten(1))


def test_shared_weights_correlate_positions_and_only_the_average_minds() -> None:
    torch.manual_seed(0)
    network = trace(Averaged(), (1, 8, 8))
    apart, together = layers(network, GaussianInterpreter), layers(network, CorrelatedInterpreter)
    assert 0.3 < (apart["relu_1"].correlation or 0) < 1
    assert apart["relu_1"].std_ratio == pytest.approx(1, abs=0.1)
    assert apart["adaptive_avg_pool2d"].std_ratio < 0.4
    assert together["adaptive_avg_pool2d"].std_ratio == pytest.approx(1, abs=0.15)
    assert together["relu_1"].std_ratio == apart["relu_1"].std_ratio


def test_of_a_linear_network_one_pass_is_exact() -> None:
    found = layers(trace(nn.Linear(5, 3), (5,)), GaussianInterpreter, draws=2000)["linear"]
    assert found.mean_error < 0.02
    assert found.std_ratio == pytest.approx(1, abs=0.03)
    assert found.elements == 3
    assert found.correlation is None
