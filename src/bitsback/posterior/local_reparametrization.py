"""Drawing pre-activations instead of weights.

Kingma, Salimans, Welling, "Variational Dropout and the Local Reparameterization Trick", NeurIPS 2015, section 2.3.

For a linear layer with independent normal weights the pre-activations of one datum are independent normals with mean
x · mean and variance x² · var: drawing those gives the same distribution with far less gradient noise. For a convolution, or
a linear layer over several positions of one datum (tokens), the draws at different positions share weights and are
correlated; taking them as independent is an approximation.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Gaussian

_aten = torch.ops.aten
_OPERATORS = (
    _aten.linear.default,
    _aten.conv1d.default,
    _aten.conv2d.default,
    _aten.conv3d.default,
    _aten.conv1d.padding,
    _aten.conv2d.padding,
    _aten.conv3d.padding,
)
_TINY = 1e-16  # keeps the square root's gradient finite where all inputs of a unit are exactly zero


class Layer(NamedTuple):
    """A linear or convolution layer whose weight is a param.

    Attributes:
        weight: its name.
        bias: the bias' name, if it is a param.
        linear: whether it is no convolution.
        alone: whether its weight and its bias have no other use.
        axes: of its input, the first of which is the batch's; 0 where that is something else (positions, or no datum at all).
    """

    weight: str
    bias: str | None
    linear: bool
    alone: bool
    axes: int


def layers(network: Network) -> list[Layer]:
    """The layers of a network, as they are called."""
    uses, symbol = _uses(network), _symbol(network)
    found = []
    for node in _layers(network.graph.graph):
        weight, bias = (uses.name.get(node.args[at]) if len(node.args) > at else None for at in (1, 2))  # pyright: ignore
        if weight is None:
            continue
        alone = all(uses.count[name] == 1 for name in (weight, bias) if name is not None)
        size = node.args[0].meta["val"].shape  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        by_datum = not isinstance(size[0], int) and _axis(size[0], symbol) == _Axis(0, 1)
        found.append(Layer(weight, bias, node.target is _aten.linear.default, alone, len(size) if by_datum else 0))
    return found


def _symbol(network: Network) -> Any:
    """The size of the batch in the graph."""
    inputs = next(node for node in reversed(network.graph.graph.nodes) if node.op == "placeholder")
    return inputs.meta["val"].shape[0]


def reparametrizable(network: Network) -> tuple[str, ...]:
    """Names of random params whose one and only use is as weight or bias of a linear or convolution layer.

    A layer qualifies when its weight does; a tied or otherwise reused weight does not, since its uses share one draw.
    """
    uses = _uses(network)
    names: list[str] = []
    for node in _layers(network.graph.graph):
        tensors = [uses.name[arg] for arg in node.args[1:3] if isinstance(arg, Node) and arg in uses.name]
        if node.args[1] in uses.name and all(uses.count[n] == 1 and n in network.bayesian for n in tensors):
            names.extend(tensors)
    return tuple(name for name in network.bayesian if name in names)


class LocalReparametrization:
    """A network's graph with chosen layers drawing their pre-activations.

    Attributes:
        names: the params that enter through their marginals.
    """

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        self.network = network
        self.names = tuple(names)
        self._symbol = _symbol(network)
        self._axes: list[list[_Axis]] = []
        self.graph = self._rewrite(set(names)) if names else network.graph

    def noise_size(self, batch: int) -> int:
        """The number of pre-activations of a batch."""
        return sum(math.prod(shape) for shape in self._shapes(batch))

    def __call__(self, values: Params, marginals: dict[str, Gaussian], noise: Tensor, inputs: Tensor) -> Tensor:
        """The network's outputs under one draw.

        Args:
            values: the tensors that are not in `names`, by name.
            marginals: mean and variance of those that are.
            noise: `[noise_size(B)]` standard normals.
            inputs: `[B, *input_shape]`.

        Returns:
            Outputs `[B, outputs]`.
        """
        shapes = self._shapes(inputs.shape[0])
        parts = noise.split([math.prod(shape) for shape in shapes])
        draws = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
        tensors = {**values, **marginals}
        return self.graph(draws, *(tensors[name] for name in self.network.names), inputs)[0]

    def _shapes(self, batch: int) -> list[list[int]]:
        return [[axis.fixed + axis.per_example * batch for axis in axes] for axes in self._axes]

    def _rewrite(self, names: set[str]) -> GraphModule:
        graph = Graph()
        copies: dict[Node, Node] = {}
        draws = graph.placeholder("draws")
        graph.output(graph.graph_copy(self.network.graph.graph, copies))
        uses = _uses(self.network)
        for old in _layers(self.network.graph.graph):
            if uses.name.get(old.args[1]) in names:  # pyright: ignore[reportArgumentType]
                node, index = copies[old], len(self._axes)
                self._axes.append([_axis(size, self._symbol) for size in old.meta["val"].shape])
                with graph.inserting_before(node):
                    drawn = graph.call_function(operator.getitem, (draws, index))
                    layer = _drawn(old.target)
                    new = graph.call_function(layer, (drawn, *node.args), dict(node.kwargs))
                node.replace_all_uses_with(new)
                graph.erase_node(node)
        return GraphModule(self.network.graph, graph)


def _drawn(target: Any) -> Callable[..., Tensor]:
    """The layer that draws what `target` computes from a weight and a bias given by their moments."""

    def layer(noise: Tensor, inputs: Tensor, weight: Gaussian, bias: Gaussian | None = None, *rest: Any) -> Tensor:
        mean = target(inputs, weight.mean, None if bias is None else bias.mean, *rest)
        var = target(inputs.square(), weight.var, None if bias is None else bias.var, *rest)
        return mean + torch.sqrt(var + _TINY) * noise

    return layer


class _Uses:
    """Which tensor each placeholder takes, and how often each tensor is used in the graph."""

    def __init__(self, network: Network) -> None:
        placeholders = [n for n in network.graph.graph.nodes if n.op == "placeholder"][:-1]
        self.name: dict[Node, str] = dict(zip(placeholders, network.names, strict=True))
        self.count: dict[str, int] = dict.fromkeys(network.names, 0)
        for node, name in self.name.items():
            self.count[name] += len(node.users)


def _uses(network: Network) -> _Uses:
    return _Uses(network)


def _layers(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.op == "call_function" and n.target in _OPERATORS]


class _Axis(NamedTuple):
    """The size of an axis as a function of the batch's: `fixed + per_example * batch`."""

    fixed: int
    per_example: int


def _axis(size: Any, symbol: Any) -> _Axis:
    if isinstance(size, int):
        return _Axis(size, 0)
    one, two = (int(size.node.expr.subs({symbol.node.expr: batch})) for batch in (1, 2))
    return _Axis(2 * one - two, two - one)
