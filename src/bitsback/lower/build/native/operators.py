"""What each operator of a traced graph adds to a plan."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from bitsback.form.members import StoredStack
from bitsback.given.stacked import Stack
from bitsback.lower.build.native.layer_weights import Value, inputs_of, member_values, reshaped
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.plan import Average, Largest, Map, Product, Rectify, Sum, View

if TYPE_CHECKING:
    from bitsback.lower.build.native.tracing import Steps

_aten = torch.ops.aten
SAME = {_aten.dropout.default, _aten.contiguous.default, _aten.clone.default, _aten.alias.default}
"""What gives its input back, in use."""
_FLAT = {_aten.flatten.using_ints, _aten.view.default, _aten.reshape.default}


def _convolution(made: "Steps", node: Node, view: View, weight: Value, bias: Value | None = None, *how: Any) -> View:
    several = made.stacked[view.source] or any(isinstance(each, Stack | StoredStack) for each in (weight, bias))
    given: tuple[Any, ...] = (*how, *((1, 1), (0, 0), (1, 1), 1)[len(how) :])
    stride, padding, dilation, groups = given
    if isinstance(padding, str) or _pair(dilation) != (1, 1) or (groups != 1 and not several):
        raise made.refuse(node, f"padding {padding!r}, dilation {dilation}, groups {groups}")
    sliding = (_pair(stride), _pair(padding))
    return made.layer(view, (weight, bias), sliding, groups=groups, factored=made.factored)


def _linear(made: "Steps", node: Node, view: View, weight: Value, bias: Value | None = None) -> View:
    of, channels = made.maps[view.source], made.channels(view.source)
    if inputs_of(weight) != of.height * of.width * channels:
        raise made.refuse(node, "its input is no flat vector")
    return made.layer(view, (reshaped(weight, (channels, of.height, of.width)), bias), ((1, 1), (0, 0)))


def _norm(made: "Steps", node: Node, view: View, *args: Any) -> View:
    weight, bias, mean, var, training, _, epsilon, *_ = args
    before = made.steps[-1] if made.steps else None
    follows = isinstance(before, Product | MemberProduct) and before.target == view.source
    if training or not follows or not _alone(node) or getattr(before, "rectified", False):
        raise made.refuse(node, "it follows no layer of weights, or has no statistics of its own")
    assert isinstance(before, Product | MemberProduct)
    several = isinstance(before, MemberProduct)
    if not several and any(isinstance(each, Stack) for each in (weight, bias, mean, var)):
        raise made.refuse(node, "its members differ, and the weights of the layer before do not")

    def numbers(value: Value | None, otherwise: float) -> np.ndarray:
        if value is None:
            return np.full((), otherwise, np.float32)
        if several:
            return member_values(value, made.members)
        assert isinstance(value, Tensor)
        return value.detach().numpy()

    if numbers(var, 1.0).shape[-1] != made.channels(view.source):
        raise made.refuse(node, "it normalizes each position of a map by itself")
    scale = numbers(weight, 1.0) / np.sqrt(numbers(var, 1.0) + np.float32(epsilon))
    shift = numbers(bias, 0.0) - numbers(mean, 0.0) * scale
    made.steps[-1] = replace(before, weights=before.weights.scaled(scale, shift))
    return view


def _alone(node: Node) -> bool:
    """Whether nothing but a node reads what it reads, under whatever name."""
    source = node.args[0]
    while isinstance(source, Node) and len(source.users) == 1:
        if source.target not in SAME | _FLAT:
            return True
        source = source.args[0]
    return False


def _relu(made: "Steps", node: Node, view: View) -> View:
    before = made.steps[-1] if made.steps else None
    sure = not made.random[view.source] and _alone(node)
    if sure and isinstance(before, Sum | MemberProduct) and before.target == view.source:
        made.steps[-1] = replace(before, rectified=True)
        return view
    target = made.follow(view.source, made.maps[view.source])
    made.steps.append(Rectify(view.source, target))
    return View(target)


def _max_pool(made: "Steps", node: Node, view: View, size: Any, stride: Any = (), *rest: Any) -> View:
    kernel, steps = _pair(size), _pair(stride or size)
    padding, dilation, ceil = (*rest, *(0, 1, False)[len(rest) :])
    if _pair(padding) != (0, 0) or _pair(dilation) != (1, 1) or ceil:
        raise made.refuse(node, f"padding {padding}, dilation {dilation}, ceil_mode {ceil}")
    of = made.maps[view.source]
    height, width = ((n - k) // s + 1 for n, k, s in zip((of.height, of.width), kernel, steps, strict=True))
    target = made.follow(view.source, Map(height, width, of.channels))
    made.steps.append(Largest(view.source, target, kernel, steps))
    return View(target)


def _average(made: "Steps", node: Node, view: View, axes: Any, *_: object) -> View:
    of = made.maps[view.source]
    whole = sorted(axis % 4 for axis in axes) == [2, 3] if node.target is _aten.mean.dim else list(axes) == [1, 1]
    if not whole:
        raise made.refuse(node, "only all positions can be averaged")
    target = made.follow(view.source, Map(1, 1, of.channels))
    made.steps.append(Average(view.source, target))
    return View(target)


def _flat(made: "Steps", node: Node, view: View, *_: object) -> View:
    of = made.maps[view.source]
    if tuple(node.meta["val"].shape[1:]) != (of.height * of.width * made.channels(view.source),):
        raise made.refuse(node, "it does not flatten each input")
    return view


def _pair(given: Any) -> tuple[int, int]:
    values = [given] if isinstance(given, int) else list(given)
    return (values[0], values[-1])


MAKERS: dict[Any, Any] = {
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
