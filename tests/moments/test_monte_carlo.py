"""Many draws at a time against one after the other."""

import pytest
import torch
from torch import Tensor, nn
from torch.fx import Interpreter

from bitsback.given.network import Network, trace
from bitsback.given.reference import lenet_5, mlp
from bitsback.moments import monte_carlo
from bitsback.moments.monte_carlo import AVERAGE, Draws, is_map, moments
from bitsback.posterior.contract import Gaussian
from tests.networks import posterior_over


class Unmapped(nn.Module):
    """Has an operator that cannot be mapped over members, and one that gives two values."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        left, right = self.first(inputs).chunk(2, 1)
        return nn.functional.interpolate(left + right, scale_factor=2, mode="bicubic").flatten(1).sum(1, keepdim=True)


NETWORKS = {
    "mlp": (lambda: mlp((6,), 3, hidden=(5,)), (6,)),
    "lenet": (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12)),
    "unmapped": (Unmapped, (1, 6, 6)),
}


def sizes_of(network: Network, inputs: Tensor) -> dict[str, int]:
    values = one_by_one(network, {**network.params, **network.buffers}, inputs)
    return {name: value.numel() for name, value in values.items()}


def one_by_one(network: Network, tensors: dict[str, Tensor], inputs: Tensor) -> dict[str, Tensor]:
    interpreter = Interpreter(network.graph, garbage_collect_values=False)
    with torch.no_grad():
        interpreter.run(*(tensors[name] for name in network.names), inputs)
    found = {n.name: value for n, value in interpreter.env.items() if n.op == "call_function"}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def reference(network: Network, std: float, inputs: Tensor, count: int, seed: int) -> dict[str, Gaussian]:
    posterior, generator = posterior_over(network, std=std), torch.Generator().manual_seed(seed)
    values: list[dict[str, Tensor]] = []
    for start in range(0, count, 50):
        stack = posterior.sample(min(50, count - start), generator)
        for index in range(min(50, count - start)):
            tensors = {**posterior.fixed, **{name: each[index] for name, each in stack.items()}}
            found = one_by_one(network, tensors, inputs)
            averages = {name + AVERAGE: value.mean((-1, -2)) for name, value in found.items() if is_map(value)}
            values.append(found | averages)
    stacks = {name: torch.stack([each[name] for each in values]).double() for name in values[0]}
    return {name: Gaussian(stack.mean(0), stack.var(0)) for name, stack in stacks.items()}


@pytest.mark.parametrize("held", [1, 1000, 2**22])
@pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=NETWORKS)
def test_every_node_has_the_moments_of_one_draw_after_the_other(make, shape, held, monkeypatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(monte_carlo, "_HELD", held)
    network, inputs = trace(make(), shape), torch.randn(3, *shape)
    told: list[int] = []
    draws = Draws(70, torch.Generator().manual_seed(5), told.append)
    found = moments(network, posterior_over(network, std=0.05), inputs, sizes_of(network, inputs), draws)
    right = reference(network, 0.05, inputs, 70, 5)
    assert found.keys() == right.keys()
    for name, value in right.items():
        torch.testing.assert_close(found[name].mean, value.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[name].var, value.var, rtol=1e-3, atol=1e-9)
    assert told == sorted(told)
    assert told[-1] == 70


def test_the_seed_decides() -> None:
    network, inputs = trace(mlp((6,), 3, hidden=(5,)), (6,)), torch.randn(3, 6)

    def found(seed: int) -> Tensor:
        draws = Draws(10, torch.Generator().manual_seed(seed))
        return moments(network, posterior_over(network), inputs, {"linear": 15}, draws)["linear"].mean

    assert torch.equal(found(1), found(1))
    assert not torch.equal(found(1), found(2))
