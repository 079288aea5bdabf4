"""One factor for each layer's variance, fitted once on unlabeled inputs, so that one pass spreads as draws do.

From the first layer to the last, a node's factor is the median over its elements of Monte Carlo's variance over the
propagated one, which has the factors before it in it already. Nodes that have one are those that sum what the rules take as
independent: dense layers, convolutions, sums of branches and averages over positions.
"""

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import Node

from bitsback.given.network import Network
from bitsback.moments.check import propagate
from bitsback.moments.interpret import GaussianInterpreter
from bitsback.moments.monte_carlo import Draws, moments
from bitsback.posterior.contract import Gaussian, Posterior

_aten = torch.ops.aten
_SUMS = frozenset((
    *(_aten.linear.default, _aten.conv1d.default, _aten.conv2d.default, _aten.conv1d.padding, _aten.conv2d.padding),
    *(_aten.matmul.default, _aten.bmm.default, _aten.mm.default, _aten.add.Tensor, _aten.add_.Tensor),
    *(_aten.mean.dim, _aten.avg_pool1d.default, _aten.avg_pool2d.default),
    *(_aten.adaptive_avg_pool1d.default, _aten.adaptive_avg_pool2d.default),
))
_DRAWS = 400
_TINY = 1e-24  # a variance below it is that of a constant


@dataclass(frozen=True)
class Calibration:
    """What factors are fitted on.

    Attributes:
        inputs: standardized, `[N, *shape]`, N at least 1.
        seed: decides the draws.
        source: names the inputs.
    """

    inputs: Tensor = field(repr=False, compare=False)
    seed: int
    source: str


def calibration(inputs: Tensor, seed: int) -> Calibration:
    """Factors are to be fitted on these inputs.

    Args:
        inputs: standardized, `[N, *shape]`.
        seed: decides the draws.
    """
    return Calibration(inputs, seed, hashlib.sha256(inputs.contiguous().numpy().tobytes()).hexdigest()[:16])


def fit_factors(
    network: Network, posterior: Posterior, interpreter: GaussianInterpreter, on: Calibration
) -> dict[str, float]:
    """Gives an interpreter its factors.

    Args:
        network: the network.
        posterior: over its params.
        interpreter: of the network's graph, without factors; it is left with those that are found.
        on: inputs and seed.

    Returns:
        The factor of every node that has one, by name.
    """
    found: dict[str, float] = {}
    sums = propagate(network, posterior, interpreter, on.inputs)
    sizes = {node.name: value.mean.numel() for node, value in sums.items() if node.target in _SUMS}
    drawn = moments(network, posterior, on.inputs, sizes, Draws(_DRAWS, torch.Generator().manual_seed(on.seed)))

    def fitted(node: Node, value: Gaussian) -> float:
        if node.name in drawn:
            found[node.name] = _ratio(drawn[node.name].var, value.var)
        return found.get(node.name, 1.0)

    interpreter.factor = fitted
    propagate(network, posterior, interpreter, on.inputs)
    interpreter.factor = lambda node, _: found.get(node.name, 1.0)
    return found


def _ratio(right: Tensor, var: Tensor) -> float:
    """The median ratio where both vary, 1 where nothing does."""
    vary = (right > _TINY) & (var > _TINY)
    ratios = right[vary] / var[vary].double()
    return float(ratios.median()) if len(ratios) else 1.0
