"""From a program's traced graph to a plan: batch norms folded, views followed, layouts turned to channels last."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from bitsback.errors import ExportError
from bitsback.form.members import StoredStack
from bitsback.form.program import Program
from bitsback.form.swapped import NO_LIBRARY
from bitsback.given.network import Network
from bitsback.given.stacked import Stack
from bitsback.lower.build.native.compact import factored as compact_factored
from bitsback.lower.build.native.layer_weights import Value, of_all, of_members
from bitsback.lower.build.native.operators import MAKERS, SAME
from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.plan import Average, Map, Plan, Product, Step, Sum, View
from bitsback.moments.interpret import place

_aten = torch.ops.aten
_ADDS = {_aten.add.Tensor, _aten.add_.Tensor}
_IN_VECTORS = {
    *_ADDS, _aten.relu.default, _aten.relu_.default, _aten.max_pool2d.default, _aten.mean.dim,
    _aten.adaptive_avg_pool2d.default,
}  # fmt: skip
_END = 2**62  # where slices end that have no end


def plan_of(program: Program) -> Plan:
    """The plan of a program.

    Raises:
        ExportError: its form has no native library, or an operator of its network has no kernel; it is named.
    """
    members: Any = program.module.members
    values: Mapping[str, Value] | None = getattr(members, "values", None)
    if program.swapped:
        raise ExportError(NO_LIBRARY)
    if values is None:
        raise ExportError(
            f"the {program.form} form has no native library; there is one of the point, ensemble and propagated forms"
        )
    network = members.network
    found = Steps(network, values, program.input_shape, members)
    units, count = program.units, network.outputs
    scale = np.ones(count, np.float32) if units.targets is None else np.asarray(units.targets.std, np.float32)
    shift = np.zeros(count, np.float32) if units.targets is None else np.asarray(units.targets.mean, np.float32)
    noise = np.zeros(count, np.float32) if units.targets is None else np.exp(2 * units.log_noise.numpy()) * scale**2
    points: Tensor | None = getattr(members, "points", None)
    if points is None and found.random[-1]:
        raise ExportError(
            "a native library reads random outputs at points: form.probabilities = 'points' instead of 'mean_field'"
        )
    if found.members > 1 and not found.stacked[-1]:
        raise ExportError("no layer of the network differs between members, and a native library asks all of them")
    at = np.zeros((found.members, count), np.float32) if points is None else points.numpy()
    mean, std = (np.asarray(each, np.float32) for each in (units.inputs.mean, units.inputs.std))
    return Plan(
        units.task, program.input_shape, mean, 1 / std, tuple(found.steps), tuple(found.maps), tuple(found.random), at,
        scale, shift, noise, getattr(members, "correlated", False), found.members,
        tuple(found.stacked) if found.members > 1 else (),
    )  # fmt: skip


def _members(value: Value) -> int:
    """How many members a tensor has; 1 if all share it."""
    match value:
        case Stack(tensor) | StoredStack(tensor, _):
            return len(tensor)
        case _:
            return 1


class Steps:
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
        self.members = max((_members(value) for value in values.values()), default=1)
        self.width = padded(self.members) if self.members > 1 else 1
        self.maps, self.random, self.stacked = [Map(height, width, channels)], [False], [False]
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
        if node.target in SAME:
            return args[0]
        if node.target is _aten.slice.Tensor and isinstance(args[0], View):
            return self._sliced(node, args[0], [*args[1:], *(0, 0, _END, 1)[len(args) - 1 :]])
        if node.target is _aten.pad.default and isinstance(args[0], View):
            return self._padded(node, args[0], *args[1:])
        self._check_filled(node, args)
        if node.target in _ADDS and all(isinstance(arg, View) for arg in args):
            return self._sum(node, *args)
        make = MAKERS.get(node.target)
        if make is None or not one:
            known = ", ".join(sorted({str(each).removeprefix("aten.").partition(".")[0] for each in MAKERS}))
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

    def add(self, map_: Map, *, random: bool, stacked: bool = False) -> int:
        """A new value."""
        self.maps.append(map_)
        self.random.append(random)
        self.stacked.append(stacked)
        return len(self.maps) - 1

    def follow(self, source: int, map_: Map) -> int:
        """A new value that is random, or has members, where another is or has."""
        return self.add(map_, random=self.random[source], stacked=self.stacked[source])

    def channels(self, value: int) -> int:
        """How many a value has, whatever its members."""
        return self.maps[value].channels // (self.width if self.stacked[value] else 1)

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
        return View(view.source, view.step, view.channel + before * (self.width if self.stacked[view.source] else 1))

    def _sum(self, node: Node, first: View, second: View, *rest: object) -> View:
        whole = next((view for view in (first, second) if view == View(view.source)), None)
        if whole is None or rest or node.kwargs:
            raise self.refuse(node, "one of the two must be whole, and neither can be multiplied")
        other = second if whole is first else first
        if self.stacked[other.source] and not self.stacked[whole.source]:
            whole, other = other, whole
        width = self.width if self.stacked[whole.source] and not self.stacked[other.source] else 1
        other = replace(other, channel=other.channel * width)
        if not self._covers(other, whole, width):
            raise self.refuse(
                node, f"both must be of one shape, with zeros before the channels in multiples of {LANES}"
            )
        random = self.random[first.source] or self.random[second.source]
        if random and self.stacked[whole.source]:
            raise self.refuse(node, "of the two, one has members, and the other a variance")
        target = self.add(self.maps[whole.source], random=random, stacked=self.stacked[whole.source])
        self.steps.append(Sum(whole, other, target, width=width))
        return View(target)

    def _covers(self, view: View, by: View, width: int) -> bool:
        """Whether a view is of every position of a whole value, with its channels where vectors begin."""
        of, whole, (rows, columns) = self.maps[view.source], self.maps[by.source], view.step
        channels = of.channels * width
        if view == View(view.source):
            fits = channels == whole.channels
        else:
            fits = view.channel % LANES == 0 and view.channel + channels <= whole.channels
        positions = -(-of.height // rows), -(-of.width // columns)
        return by == View(by.source) and fits and positions == (whole.height, whole.width)

    def layer(
        self,
        view: View,
        weights: tuple[Value, Value | None],
        sliding: tuple[tuple[int, int], tuple[int, int]],
        *,
        groups: int = 1,
        factored: bool = False,
    ) -> View:
        """A layer of weights `[O, I, KH, KW]`, or of each member, and biases; with its stride and padding."""
        stride, padding = sliding
        if self.stacked[view.source] or any(isinstance(each, Stack | StoredStack) for each in weights):
            found = of_members(*weights, self.members, groups)
            outputs, kernel = found.values.shape[1], found.values.shape[2:4]
            map_ = self._slid(view.source, kernel, sliding, outputs * self.width)
            target = self.add(map_, random=False, stacked=True)
            self.steps.append(MemberProduct(view.source, target, found, stride, padding))
            return View(target)
        alike = of_all(*weights)
        if factored and self.random[view.source]:
            alike = compact_factored(alike)
        random = self.random[view.source] or alike.var is not None or bool(alike.bias_var.any())
        target = self.add(self._slid(view.source, alike.mean.shape[1:3], sliding, len(alike.mean)), random=random)
        self.steps.append(Product(view.source, target, alike, stride, padding))
        return View(target)

    def _slid(
        self, source: int, kernel: tuple[int, ...], sliding: tuple[tuple[int, int], tuple[int, int]], channels: int
    ) -> Map:
        """What a window that slides over a value writes."""
        stride, padding = sliding
        lengths = (self.maps[source].height, self.maps[source].width)
        rows, columns = (
            (length + 2 * pad - size) // step + 1
            for length, pad, size, step in zip(lengths, padding, kernel, stride, strict=True)
        )
        return Map(rows, columns, channels)
