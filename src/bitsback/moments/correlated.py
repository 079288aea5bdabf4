"""Running a graph over Gaussians with what positions have in common (`common`) carried along."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from bitsback.moments import common
from bitsback.moments.gaussian import is_gaussian
from bitsback.moments.interpret import Correction, GaussianInterpreter
from bitsback.moments.rules import Rule
from bitsback.posterior.contract import Gaussian

_aten = torch.ops.aten
_CONVOLUTIONS = (_aten.conv2d.default, _aten.conv2d.padding)
_RELU = (_aten.relu.default, _aten.relu_.default)
_ADDS = (_aten.add.Tensor, _aten.add_.Tensor)


class CorrelatedInterpreter(GaussianInterpreter):
    """As `GaussianInterpreter`; feature maps `[B, C, H, W]` carry the variance of each channel's average."""

    def __init__(
        self, graph: GraphModule, rules: Mapping[Any, Rule], corrections: Mapping[str, Correction] | None = None
    ) -> None:
        super().__init__(graph, rules, corrections)
        self.common: dict[Node, Tensor] = {}

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The graph, from its beginning."""
        self.common = {}
        return super().run(*args, **kwargs)

    def run_node(self, n: Node) -> Any:
        """One node, and what its positions have in common."""
        value = super().run_node(n)
        if n.op != "call_function" or not is_gaussian(value):
            return value
        source = n.args[0] if n.args and isinstance(n.args[0], Node) else None
        before, its_common = (None, None) if source is None else (self.env[source], self.common.get(source))
        if its_common is not None and is_gaussian(before):
            value = _average(n, before, its_common, value)
        found = self._carried(n, before, its_common, value)
        if found is not None:
            self.common[n] = found
        return value

    def _carried(self, n: Node, before: Any, its_common: Tensor | None, value: Gaussian) -> Tensor | None:
        if value.mean.ndim != 4:
            return None
        if n.target in _CONVOLUTIONS:
            args, _ = self.fetch_args_kwargs_from_env(n)
            bias = args[2] if len(args) > 2 else None
            return common.convolved(before, its_common, args[1], bias, common.Convolution(*args[3:]))
        if n.target in _ADDS:
            known = [self.common[arg] for arg in n.args[:2] if isinstance(arg, Node) and arg in self.common]
            return sum(known[1:], known[0]) if known else None
        if its_common is None or not is_gaussian(before):
            return None
        if n.target is _aten.batch_norm.default:
            return its_common * (value.var / before.var.clamp_min(1e-30)).mean((-1, -2))
        if n.target is _aten.pad.default:
            return torch.nn.functional.pad(its_common, n.args[1][4:6]) if not any(n.args[1][:4]) else None
        if n.target in _RELU:
            return common.rectified(before, its_common, value)
        return common.kept(before, its_common, value) if value.mean.shape[:2] == before.mean.shape[:2] else None


def _average(node: Node, before: Gaussian, its_common: Tensor, value: Gaussian) -> Gaussian:
    """The variance of an average over positions, which do not vary independently."""
    axes = {axis % 4 for axis in node.args[1]} if node.target is _aten.mean.dim else set()
    if axes == {2, 3} or (node.target is _aten.adaptive_avg_pool2d.default and list(node.args[1]) == [1, 1]):
        return Gaussian(value.mean, its_common.reshape(value.mean.shape))
    if node.target is _aten.avg_pool2d.default:
        window = node.args[1][0] * node.args[1][-1]
        return common.averaged(before, its_common, window, value)
    return value
