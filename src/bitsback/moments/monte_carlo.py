"""What every node of a graph does when weights are drawn: the reference of a propagation.

Many draws go through the graph at a time, stacked; what a node gives is summed up at once and not kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from bitsback.errors import ExportError
from bitsback.given.network import Network
from bitsback.given.stacked import Stack, StackedInterpreter
from bitsback.posterior.contract import Gaussian, Posterior

AVERAGE = " average"  # of a feature map's positions, as a value of its own

_DRAWN = 50  # draws that the posterior is asked for at a time
_HELD = 2**22  # numbers of one node that are held at a time, at least those of one draw


@dataclass(frozen=True)
class Draws:
    """A Monte Carlo estimate.

    Attributes:
        count: how many draws it has, at least 2.
        generator: decides which.
        tell: is told how many of them are done.
    """

    count: int
    generator: torch.Generator
    tell: Callable[[int], None] = lambda _: None


def moments(
    network: Network, posterior: Posterior, inputs: Tensor, sizes: dict[str, int], draws: Draws
) -> dict[str, Gaussian]:
    """Mean and variance of named nodes over draws, float64; of feature maps also those of the average over positions.

    Args:
        network: the network.
        posterior: over its params.
        inputs: standardized, `[B, *shape]`.
        sizes: by name of the node, how many numbers it has.
        draws: how many, and which.
    """
    sums: dict[str, _Sum] = {}
    interpreter = _Watched(network.graph, sizes, sums)
    together = max(_HELD // max(sizes.values(), default=1), 1)
    done = 0
    while done < draws.count:
        stacks = posterior.sample(min(draws.count - done, _DRAWN), draws.generator)
        parts = {name: stack.split(together) for name, stack in stacks.items()}
        for index, part in enumerate(next(iter(parts.values()))):
            tensors = posterior.fixed | {name: Stack(split[index]) for name, split in parts.items()}
            with torch.no_grad():
                interpreter.run(*(tensors[name] for name in network.names), inputs)
            done += len(part)
            draws.tell(done)
    return {name: each.moments() for name, each in sums.items()}


def is_map(value: Tensor) -> bool:
    """Whether a node's value `[B, C, H, W]` has positions."""
    return value.ndim == 4 and value.shape[-1] * value.shape[-2] > 1


class _Sum:
    """Sums of what differs from the first draw, so that nothing cancels."""

    def __init__(self, first: Tensor) -> None:
        self.first, self.count = first.clone(), 0
        self.sum = self.squares = torch.zeros((), dtype=torch.float64)

    def add(self, stack: Tensor) -> None:
        apart = stack - self.first
        self.count += len(stack)
        self.sum = self.sum + apart.sum(0).double()
        self.squares = self.squares + apart.square_().sum(0).double()

    def moments(self) -> Gaussian:
        spread = self.squares - self.sum.square() / self.count
        return Gaussian(self.first.double() + self.sum / self.count, spread.clamp_min(0) / max(self.count - 1, 1))


class _Watched(StackedInterpreter):
    """Adds up what wanted nodes give."""

    def __init__(self, graph: GraphModule, wanted: dict[str, int], sums: dict[str, _Sum]) -> None:
        super().__init__(graph)
        self.wanted, self.sums = wanted, sums

    def run_node(self, n: Node) -> Any:
        try:
            value = super().run_node(n)
        except ExportError:
            value = _one_by_one(n.target, *self.fetch_args_kwargs_from_env(n))
        if n.name in self.wanted:
            stack = value.tensor if isinstance(value, Stack) else value.unsqueeze(0)
            self._add(n.name, stack)
            if is_map(stack[0]):
                self._add(n.name + AVERAGE, stack.mean((-1, -2)))
        return value

    def _add(self, name: str, stack: Tensor) -> None:
        if name not in self.sums:
            self.sums[name] = _Sum(stack[0])
        self.sums[name].add(stack)


def _one_by_one(target: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """An operator that cannot be mapped over members."""
    leaves, spec = pytree.tree_flatten((args, kwargs))
    members = next(len(leaf.tensor) for leaf in leaves if isinstance(leaf, Stack))
    results = []
    for index in range(members):
        own = [leaf.tensor[index] if isinstance(leaf, Stack) else leaf for leaf in leaves]
        given, named = pytree.tree_unflatten(own, spec)
        results.append(target(*given, **named))
    return pytree.tree_map(lambda *each: Stack(torch.stack(each)), *results)
