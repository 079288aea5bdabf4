"""How far one pass over Gaussians is from Monte Carlo, layer by layer, and how much what it takes as independent correlates.

Two sums give correlations away, since the variance of a sum is that of its independent parts plus twice their covariance:

- where a residual branch is added, (var(x + y) − var x − var y) / 2 is the covariance of the branches;
- in a feature map of n positions, n var(their average) / (average of their variances) = 1 + (n − 1) ρ, with ρ the mean
  correlation between positions, which share the weights of a convolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import Node

from bitsback.given.network import Network
from bitsback.moments.gaussian import is_gaussian
from bitsback.moments.interpret import GaussianInterpreter, place
from bitsback.moments.monte_carlo import AVERAGE, Draws, moments
from bitsback.posterior.contract import Gaussian, Posterior

_ADDS = (torch.ops.aten.add.Tensor, torch.ops.aten.add_.Tensor)
_TINY = 1e-24  # a variance below it is that of a constant


@dataclass(frozen=True)
class Layer:
    """One node of the graph, one pass against Monte Carlo.

    Attributes:
        node: its name in the graph.
        operator: what it computes, such as "conv2d".
        place: the line of the network that calls it.
        elements: how many numbers it has for one input.
        mean_error: root mean square of the means' differences, over that of Monte Carlo's means.
        std_ratio: the median over elements of the standard deviation over Monte Carlo's.
        std_quartiles: the first and third quartile of that ratio.
        correlation: the mean correlation of what the rules take as independent: of positions in a feature map, of the
            branches in a sum; None where there is neither.
    """

    node: str
    operator: str
    place: str
    elements: int
    mean_error: float
    std_ratio: float
    std_quartiles: tuple[float, float]
    correlation: float | None


def check(
    network: Network, posterior: Posterior, interpreter: GaussianInterpreter, inputs: Tensor, draws: Draws
) -> list[Layer]:
    """Compares every node whose value is random.

    Args:
        network: the network.
        posterior: over its params.
        interpreter: of the network's graph.
        inputs: standardized, `[B, *shape]`.
        draws: of the Monte Carlo estimate; its own relative error of a standard deviation is 1/√(2 draws).

    Returns:
        The layers in the graph's order; the last one has the outputs.
    """
    found = propagate(network, posterior, interpreter, inputs)
    sizes = {node.name: value.mean.numel() for node, value in found.items()}
    drawn = moments(network, posterior, inputs, sizes, draws)
    return [_layer(node, value, drawn) for node, value in found.items()]


def propagate(
    network: Network, posterior: Posterior, interpreter: GaussianInterpreter, inputs: Tensor
) -> dict[Node, Gaussian]:
    """One pass; the Gaussian of every node that computes something random, in the graph's order."""
    values = {**posterior.fixed, **posterior.marginals()}
    interpreter.garbage_collect_values = False
    with torch.no_grad():
        interpreter.run(*(values[name] for name in network.names), inputs)
    env = interpreter.env
    return {
        node: env[node] for node in network.graph.graph.nodes if node.op == "call_function" and is_gaussian(env[node])
    }


def _layer(node: Node, found: Gaussian, drawn: dict[str, Gaussian]) -> Layer:
    right = drawn[node.name]
    error = (found.mean - right.mean).square().mean().sqrt() / right.mean.square().mean().sqrt().clamp_min(_TINY)
    random = right.var > _TINY
    ratios = (found.var.double()[random] / right.var[random]).sqrt()
    low, middle, high = (float(each) for each in _quantiles(ratios))
    operator = str(node.target).removeprefix("aten.").partition(".")[0]
    elements = found.mean[0].numel()
    return Layer(
        node.name, operator, place(node), elements, float(error), middle, (low, high), _correlation(node, drawn)
    )


def _quantiles(ratios: Tensor) -> Sequence[Tensor]:
    if not len(ratios):
        return torch.ones(3).unbind()
    ordered = ratios.sort().values  # torch.quantile refuses more than 16 million elements
    return [ordered[int(share * (len(ordered) - 1))] for share in (0.25, 0.5, 0.75)]


def _correlation(node: Node, drawn: dict[str, Gaussian]) -> float | None:
    if node.target in _ADDS:
        parts = [arg.name for arg in node.args[:2] if isinstance(arg, Node)]
        known = [drawn[part] for part in parts if part in drawn]
        if len(known) == 2 and known[0].var.shape == known[1].var.shape:
            covariance = (drawn[node.name].var - known[0].var - known[1].var) / 2
            return _ratio(covariance, (known[0].var * known[1].var).sqrt())
    average = drawn.get(node.name + AVERAGE)
    if average is None:
        return None
    apart = drawn[node.name].var.mean((-1, -2))
    count = drawn[node.name].var[0, 0].numel()
    return (_ratio(average.var, apart) * count - 1) / (count - 1)


def _ratio(part: Tensor, whole: Tensor) -> float:
    total = float(whole.sum())
    return float(part.sum()) / total if total > _TINY else 0.0
