"""From a program's traced graph to a plan: batch norms folded, views followed, layouts turned to channels last."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from bitsback.errors import ExportError
from bitsback.form.program import Program
from bitsback.given.network import Network
from bitsback.lower.build.native.compact import compact
from bitsback.lower.build.native.compact import factored as compact_factored
from bitsback.lower.run.native.layout import LANES
from bitsback.lower.run.native.plan import Average, Largest, Map, Plan, Product, Rectify, Step, Sum, View
from bitsback.moments.interpret import place
from bitsback.posterior.contract import Gaussian

_aten = torch.ops.aten
_SAME = {_aten.dropout.default, _aten.contiguous.default, _aten.clone.default, _aten.alias.default}
_FLAT = {_aten.flatten.using_ints, _aten.view.default, _aten.reshape.default}
_ADDS = {_aten.add.Tensor, _aten.add_.Tensor}
_IN_VECTORS = {
    *_ADDS, _aten.relu.default, _aten.relu_.default, _aten.max_pool2d.default, _aten.mean.dim,
    _aten.adaptive_avg_pool2d.default,
}  # fmt: skip
_END = 2**62  # where slices end that have no end

Value: TypeAlias = Tensor | Gaussian


def plan_of(program: Program) -> Plan:
    """The plan of a program.

    Raises:
        ExportError: its form has no native library, or an operator of its network has no kernel; it is named.
    """
    members: Any = program.module.members
    values: Mapping[str, Value] | None = getattr(members, "values", None)
    if values is None:
        raise ExportError(
            f"the {program.form} form has no native library; there is one of the point and propagated forms"
        )
    network = members.network
    found = _Steps(network, values, program.input_shape, members)
    units, count = program.units, network.outputs
    scale = np.ones(count, np.float32) if units.targets is None else np.asarray(units.targets.std, np.float32)
    shift = np.zeros(count, np.float32) if units.targets is None else np.asarray(units.targets.mean, np.float32)
    noise = np.zeros(count, np.float32) if units.targets is None else np.exp(2 * units.log_noise.numpy()) * scale**2
    points: Tensor | None = getattr(members, "points", None)
    if points is None and found.random[-1]:
        raise ExportError(
            "a native library reads random outputs at points: form.probabilities = 'points' instead of 'mean_field'"
        )
    at = np.zeros((1, count), np.float32) if points is None else points.numpy()
    mean, std = (np.asarray(each, np.float32) for each in (units.inputs.mean, units.inputs.std))
    return Plan(
        units.task, program.input_shape, mean, 1 / std, tuple(found.steps), tuple(found.maps), tuple(found.random), at,
        scale, shift, noise, getattr(members, "correlated", False),
    )  # fmt: skip


class _Steps:
    """Follows a graph and collects what it does; `env` holds a view or a param for each node."""

    def __init__(
        self,
        network: Network,
        values: Mapping[str, Value],
        shape: tuple[int, ...],
        members: Any,
    ) -> None:
        factors: Mapping[str, float] = getattr(members, "factors", {})
        self.factored: bool = getattr(members, "factored", False)
        channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
        if len(shape) not in (1, 3):
            raise ExportError(f"a native library takes images or feature vectors, and the inputs are of shape {shape}")
        self.steps: list[Step] = []
        self.maps, self.random = [Map(height, width, channels)], [False]
        self.env: dict[Node, Any] = {}
        nodes = list(network.graph.graph.nodes)
        placeholders = [node for node in nodes if node.op == "placeholder"]
        for node, name in zip(placeholders, (*network.names, None), strict=True):
            self.env[node] = View(0) if name is None else values[name]
        for node in nodes:
            if node.op == "call_function":
                self.env[node] = self._node(node)
                if node.name in factors:
                    self._multiply(node, factors[node.name])

    def _node(self, node: Node) -> Any:
        args: list[Any] = [self.env.get(arg) if isinstance(arg, Node) else arg for arg in node.args]
        one = isinstance(args[0], View) and args[0] == View(args[0].source)
        if node.target in _SAME:
            return args[0]
        if node.target is _aten.slice.Tensor and isinstance(args[0], View):
            return self._sliced(node, args[0], [*args[1:], *(0, 0, _END, 1)[len(args) - 1 :]])
        if node.target is _aten.pad.default and isinstance(args[0], View):
            return self._padded(node, args[0], *args[1:])
        self._check_filled(node, args)
        if node.target in _ADDS and all(isinstance(arg, View) for arg in args):
            return self._sum(node, *args)
        make = _MAKERS.get(node.target)
        if make is None or not one:
            known = ", ".join(sorted({str(each).removeprefix("aten.").partition(".")[0] for each in _MAKERS}))
            raise ExportError(
                f"the operator {node.target} has no native kernel (at `{place(node)}`); these have one: {known}, add, pad, "
                "slice; ONNX Runtime has it"
            )
        return make(self, node, *args)

    def _check_filled(self, node: Node, args: list[Any]) -> None:
        """Refuse what reads the input in vectors, where its channels fill none."""
        reads = any(isinstance(arg, View) and arg.source == 0 for arg in args)
        if reads and self.maps[0].channels % LANES and node.target in _IN_VECTORS:
            raise self.refuse(
                node,
                f"it reads the input, of {self.maps[0].channels} channels; but for products these are multiples of {LANES}",
            )

    def _multiply(self, node: Node, factor: float) -> None:
        """A node's variances by a factor."""
        step = self.steps[-1]
        if not isinstance(step, Product | Sum | Average):
            raise self.refuse(node, "its variance has a factor")
        self.steps[-1] = replace(step, factor=factor)

    def add(self, map_: Map, *, random: bool) -> int:
        """A new value."""
        self.maps.append(map_)
        self.random.append(random)
        return len(self.maps) - 1

    def refuse(self, node: Node, why: str) -> ExportError:
        """What an operator's arguments make impossible."""
        return ExportError(f"the operator {node.target} (at `{place(node)}`) has no native kernel: {why}")

    def _sliced(self, node: Node, view: View, how: list[Any]) -> View:
        axis, start, end, step = how
        if axis not in (0, 2, 3) or start not in (0, None) or end < _END or (axis == 0 and step != 1):
            raise self.refuse(node, "only every n-th row and column from the first on can be taken")
        rows, columns = view.step
        taken = (rows * step, columns) if axis == 2 else (rows, columns * (step if axis == 3 else 1))
        return View(view.source, taken, view.channel)

    def _padded(
        self, node: Node, view: View, sizes: list[int], mode: str = "constant", value: float | None = None
    ) -> View:
        rows_and_columns, (before, *_) = sizes[:4], [*sizes[4:6], 0]
        if any(rows_and_columns) or any(sizes[6:]) or mode != "constant" or value:
            raise self.refuse(node, "only zeros for more channels can be added")
        return View(view.source, view.step, view.channel + before)

    def _sum(self, node: Node, first: View, second: View, *rest: object) -> View:
        whole = next((view for view in (first, second) if view == View(view.source)), None)
        if whole is None or rest or node.kwargs:
            raise self.refuse(node, "one of the two must be whole, and neither can be multiplied")
        other = second if whole is first else first
        if not self._covers(other, self.maps[whole.source]):
            raise self.refuse(
                node, f"both must be of one shape, with zeros before the channels in multiples of {LANES}"
            )
        target = self.add(self.maps[whole.source], random=self.random[first.source] or self.random[second.source])
        self.steps.append(Sum(whole, other, target))
        return View(target)

    def _covers(self, view: View, whole: Map) -> bool:
        """Whether a view is of every position of a map, with its channels where vectors begin."""
        of, (rows, columns) = self.maps[view.source], view.step
        if view == View(view.source):
            return of == whole
        positions = -(-of.height // rows), -(-of.width // columns)
        fits = view.channel % LANES == 0 and view.channel + of.channels <= whole.channels
        return fits and positions == (whole.height, whole.width)

    def product(
        self, view: View, weight: Value, bias: Value | None, how: tuple[Any, Any], *, factored: bool = False
    ) -> View:
        """A layer of weights `[O, I, KH, KW]`."""
        stride, padding = how
        mean, var = _moments(weight)
        bias_mean, bias_var = (np.zeros(len(mean), np.float32),) * 2 if bias is None else _moments(bias)
        spread_bias = np.zeros_like(bias_mean) if bias_var is None else bias_var
        weights = compact(_channels_last(mean), bias_mean, None if var is None else _channels_last(var), spread_bias)
        if factored and self.random[view.source]:
            weights = compact_factored(weights)
        source = self.maps[view.source]
        sizes = [
            (length + 2 * pad - kernel) // step + 1
            for length, pad, kernel, step in zip(
                (source.height, source.width), padding, weights.mean.shape[1:3], stride, strict=True
            )
        ]
        random = self.random[view.source] or weights.var is not None or bool(spread_bias.any())
        target = self.add(Map(sizes[0], sizes[1], len(mean)), random=random)
        self.steps.append(Product(view.source, target, weights, stride, padding))
        return View(target)


def _channels_last(tensor: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(tensor.transpose(0, 2, 3, 1))


def _moments(value: Value) -> tuple[np.ndarray, np.ndarray | None]:
    if isinstance(value, Gaussian):
        return value.mean.numpy(), value.var.numpy()
    return value.detach().numpy(), None


def _pair(given: Any) -> tuple[int, int]:
    values = [given] if isinstance(given, int) else list(given)
    return (values[0], values[-1])


def _convolution(made: _Steps, node: Node, view: View, weight: Value, bias: Value | None = None, *how: Any) -> View:
    stride, padding, dilation, groups = (*how, *((1, 1), (0, 0), (1, 1), 1)[len(how) :])
    if isinstance(padding, str) or _pair(dilation) != (1, 1) or groups != 1:
        raise made.refuse(node, f"padding {padding!r}, dilation {dilation}, groups {groups}")
    return made.product(view, weight, bias, (_pair(stride), _pair(padding)), factored=made.factored)


def _linear(made: _Steps, node: Node, view: View, weight: Value, bias: Value | None = None) -> View:
    of = made.maps[view.source]
    shape = (-1, of.channels, of.height, of.width)
    if weight[0].shape[-1] != of.size if isinstance(weight, Gaussian) else weight.shape[-1] != of.size:
        raise made.refuse(node, "its input is no flat vector")
    kernel = (
        Gaussian(*(each.reshape(shape) for each in weight)) if isinstance(weight, Gaussian) else weight.reshape(shape)
    )
    return made.product(view, kernel, bias, ((1, 1), (0, 0)))


def _norm(made: _Steps, node: Node, view: View, *args: Any) -> View:
    weight, bias, mean, var, training, _, epsilon, *_ = args
    before = made.steps[-1] if made.steps else None
    if training or not isinstance(before, Product) or before.target != view.source or len(_source(node).users) > 1:
        raise made.refuse(node, "it follows no layer of weights, or has no statistics of its own")
    scale = (torch.ones_like(var) if weight is None else weight) / torch.sqrt(var + epsilon)
    shift = (torch.zeros_like(mean) if bias is None else bias) - mean * scale
    weights = before.weights.scaled(scale.detach().numpy(), shift.detach().numpy())
    made.steps[-1] = replace(before, weights=weights)
    return view


def _source(node: Node) -> Node:
    found = node.args[0]
    assert isinstance(found, Node)
    return found


def _relu(made: _Steps, _node: Node, view: View) -> View:
    target = made.add(made.maps[view.source], random=made.random[view.source])
    made.steps.append(Rectify(view.source, target))
    return View(target)


def _max_pool(made: _Steps, node: Node, view: View, size: Any, stride: Any = (), *rest: Any) -> View:
    kernel, steps = _pair(size), _pair(stride or size)
    padding, dilation, ceil = (*rest, *(0, 1, False)[len(rest) :])
    if _pair(padding) != (0, 0) or _pair(dilation) != (1, 1) or ceil:
        raise made.refuse(node, f"padding {padding}, dilation {dilation}, ceil_mode {ceil}")
    of = made.maps[view.source]
    height, width = ((n - k) // s + 1 for n, k, s in zip((of.height, of.width), kernel, steps, strict=True))
    target = made.add(Map(height, width, of.channels), random=made.random[view.source])
    made.steps.append(Largest(view.source, target, kernel, steps))
    return View(target)


def _average(made: _Steps, node: Node, view: View, axes: Any, *_: object) -> View:
    of = made.maps[view.source]
    whole = sorted(axis % 4 for axis in axes) == [2, 3] if node.target is _aten.mean.dim else list(axes) == [1, 1]
    if not whole:
        raise made.refuse(node, "only all positions can be averaged")
    target = made.add(Map(1, 1, of.channels), random=made.random[view.source])
    made.steps.append(Average(view.source, target))
    return View(target)


def _flat(made: _Steps, node: Node, view: View, *_: object) -> View:
    if tuple(node.meta["val"].shape[1:]) != (made.maps[view.source].size,):
        raise made.refuse(node, "it does not flatten each input")
    return view


_MAKERS: dict[Any, Any] = {
    _aten.conv2d.default: _convolution,
    _aten.linear.default: _linear,
    _aten.batch_norm.default: _norm,
    _aten.relu.default: _relu,
    _aten.relu_.default: _relu,
    _aten.max_pool2d.default: _max_pool,
    _aten.mean.dim: _average,
    _aten.adaptive_avg_pool2d.default: _average,
    **dict.fromkeys(_FLAT, _flat),
}
