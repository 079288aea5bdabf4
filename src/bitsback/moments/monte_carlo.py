"""What every node of a graph does when weights are drawn: the slow and obvious reference of a propagation."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.fx import Interpreter

from bitsback.given.network import Network
from bitsback.posterior.contract import Gaussian, Posterior

_TOGETHER = 50  # draws that are held at a time


def sampled(
    network: Network, posterior: Posterior, inputs: Tensor, draws: int, generator: torch.Generator
) -> Iterator[dict[str, Tensor]]:
    """Every node's value under draw after draw.

    Args:
        network: the network.
        posterior: over its params.
        inputs: standardized, `[B, *shape]`.
        draws: how many.
        generator: decides which.

    Yields:
        The floating-point tensors of one draw by node name.
    """
    left = draws
    while left > 0:
        stack = posterior.sample(min(left, _TOGETHER), generator)
        for index in range(min(left, _TOGETHER)):
            tensors = {**posterior.fixed, **{name: each[index] for name, each in stack.items()}}
            interpreter = Interpreter(network.graph, garbage_collect_values=False)
            with torch.no_grad():
                interpreter.run(*(tensors[name] for name in network.names), inputs)
            yield {
                node.name: value
                for node, value in interpreter.env.items()
                if isinstance(value, Tensor) and value.is_floating_point()
            }
        left -= _TOGETHER


def moments(values: Iterator[dict[str, Tensor]], names: Sequence[str]) -> dict[str, Gaussian]:
    """Mean and variance of named nodes over draws, float64."""
    means: dict[str, Tensor] = {}
    squares: dict[str, Tensor] = {}
    count = 0
    for count, drawn in enumerate(values, 1):
        for name in names:
            value = drawn[name].double()
            if count == 1:
                means[name], squares[name] = value.clone(), torch.zeros_like(value)
                continue
            before = value - means[name]
            means[name] += before / count
            squares[name] += before * (value - means[name])
    return {name: Gaussian(means[name], squares[name] / max(count - 1, 1)) for name in names}
