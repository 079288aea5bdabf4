"""Running a graph over Gaussians with what positions (`positions`) and outputs (`outputs`) have in common carried along.

A factor on an average pool's variance (`calibration`) does not replace it. On inputs like those that it was fitted on it
does; on shuffled pixels, whose positions have other things in common, a ResNet-20's pool then had 0.78 of the draws' standard
deviation, and 1.12 of it with both.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from bitsback.moments import bilinear, positions
from bitsback.moments.gaussian import is_gaussian, mean_of
from bitsback.moments.interpret import Factor, GaussianInterpreter, unscaled
from bitsback.moments.limits import MOST
from bitsback.moments.outputs import covariance
from bitsback.moments.rules import Rule
from bitsback.posterior.contract import Gaussian

_aten = torch.ops.aten
_CONVOLUTIONS = (_aten.conv2d.default, _aten.conv2d.padding)
_RELU = (_aten.relu.default, _aten.relu_.default)
_TINY = 1e-30
_ADDS = (_aten.add.Tensor, _aten.add_.Tensor)


class CorrelatedInterpreter(GaussianInterpreter):
    """As `GaussianInterpreter`; feature maps `[B, C, H, W]` carry the variance of each channel's average.

    Args:
        graph: The traced graph.
        rules: The rule of every operator.
        factor: What a node's variance is multiplied by.
        outputs: Whether the covariance of the outputs is asked for.

    Attributes:
        common: The variances of averages, by node.
        covariance: Of the outputs through the inputs of the last layer, `[B, C, C]`, where it is asked for and
            `moments.outputs` has it.
    """

    def __init__(
        self, graph: GraphModule, rules: Mapping[Any, Rule], factor: Factor = unscaled, *, outputs: bool = False
    ) -> None:
        super().__init__(graph, rules, factor)
        self.common: dict[Node, Tensor] = {}
        self.covariance: Tensor | None = None
        (results,) = (node.args[0] for node in graph.graph.nodes if node.op == "output")
        self._last: Any = results[0] if outputs else None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The graph, from its beginning."""
        self.common, self.covariance = {}, None
        return super().run(*args, **kwargs)

    def scaled(self, n: Node, value: Gaussian, factor: float) -> Gaussian:
        """A node's moments with its variance multiplied, and with it what its positions have in common."""
        if n in self.common:
            self.common[n] = self.common[n] * factor
        if n is self._last and self.covariance is not None:
            self.covariance = self.covariance * factor
        return super().scaled(n, value, factor)

    def propagated(self, n: Node) -> Any:
        """What an operator gives, and what its positions have in common.

        Raises:
            ExportError: As for `GaussianInterpreter`.
        """
        value = super().propagated(n)
        if not is_gaussian(value):
            return value
        args, _ = self.fetch_args_kwargs_from_env(n)
        if n is self._last:
            self.covariance = self._of_outputs(n, args)
        shared = self.common.get(n.all_input_nodes[0])
        if shared is not None and is_gaussian(args[0]):
            value = _average(n.target, args, shared, value)
        found = self._carried(n, args, shared, value) if value.mean.ndim == 4 else None
        if found is not None:
            self.common[n] = found
        return value

    def _of_outputs(self, n: Node, args: tuple[Any, ...]) -> Tensor | None:
        """The outputs' covariance, where the last layer is linear and the library's rule is its rule."""
        ours = getattr(self.rules[n.target], "func", None) is bilinear.affine
        if n.target is not _aten.linear.default or not ours or not is_gaussian(args[0]) or args[0].mean.ndim != 2:
            return None
        return covariance(*args[:2]) if len(mean_of(args[1])) <= MOST else None

    def _carried(self, n: Node, args: tuple[Any, ...], shared: Tensor | None, value: Gaussian) -> Tensor | None:
        if n.target in _CONVOLUTIONS:
            inputs, weight, bias, *rest = (*args, None) if len(args) == 2 else args
            return positions.convolved(inputs, shared, weight, bias, positions.Convolution(*rest))
        if n.target in _ADDS:
            known = [self.common[arg] for arg in n.all_input_nodes if arg in self.common]
            return sum(known[1:], known[0]) if known else None
        if shared is None or not is_gaussian(args[0]):
            return None
        if n.target is _aten.batch_norm.default:
            return shared * (value.var / args[0].var.clamp_min(_TINY)).mean((-1, -2))
        if n.target is _aten.pad.default:
            sizes = [*args[1], 0, 0, 0, 0]
            return None if any(sizes[:4]) else torch.nn.functional.pad(shared, sizes[4:6])
        if n.target in _RELU:
            return positions.rectified(args[0], shared, value)
        return positions.kept(args[0], shared, value) if value.mean.shape[:2] == args[0].mean.shape[:2] else None


def _average(target: Any, args: tuple[Any, ...], shared: Tensor, value: Gaussian) -> Gaussian:
    """The variance of an average over positions, which do not vary independently."""
    axes = {axis % 4 for axis in args[1]} if target is _aten.mean.dim else set()
    if axes == {2, 3} or (target is _aten.adaptive_avg_pool2d.default and list(args[1]) == [1, 1]):
        return Gaussian(value.mean, shared.reshape(value.mean.shape))
    if target is _aten.avg_pool2d.default:
        return positions.averaged(args[0], shared, args[1][0] * args[1][-1], value)
    return value
