"""Pools over Gaussians.

An average weighs its inputs by 1/n, so that the variance is their sum over n². The largest of several normals is not normal;
two of the customary stand-ins are offered:

- "larger_mean": the element with the largest mean, as it is. Exact where the means are far apart, and where they are not,
  its error is the smaller one when standard deviations are small beside the differences between neighbours.
- "clark": the first two moments of the largest of two independent normals, taken pair by pair (Clark, "The greatest of a
  finite set of random variables", Operations Research 1961, eqs. 2-4), in the form that does not cancel. Exact for two
  independent elements; neighbours in a feature map share their weights and are not independent.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bitsback.errors import ExportError
from bitsback.moments.normal import normal, standardized
from bitsback.posterior.contract import Gaussian

MaxPool = Literal["larger_mean", "clark"]
_OUTSIDE = -1e15  # below every activation; its square is still a float32


def larger_mean(left: Gaussian, right: Gaussian) -> Gaussian:
    """The one with the larger mean."""
    first = left.mean >= right.mean
    return Gaussian(torch.where(first, left.mean, right.mean), torch.where(first, left.var, right.var))


def clark(left: Gaussian, right: Gaussian) -> Gaussian:
    """The moments of max(x, y) of two independent normals.

    With a² = var x + var y, z = (E x − E y) / a and D = E x − E y,

        mean = E x Φ(z) + E y Φ(−z) + a φ(z)
        var  = var x Φ(z) + var y Φ(−z) + D² Φ(z) Φ(−z) + D a φ(z) (Φ(−z) − Φ(z)) − a² φ(z)²
    """
    scale, ahead = torch.sqrt(left.var + right.var), left.mean - right.mean
    density, lower, upper = normal(standardized(ahead, scale))
    peak = scale * density
    mean = left.mean * lower + right.mean * upper + peak
    spread = ahead.square() * lower * upper + ahead * peak * (upper - lower) - peak.square()
    return Gaussian(mean, (left.var * lower + right.var * upper + spread).clamp_min(0))


class MaxWindow(NamedTuple):
    """What PyTorch's max pools take after their input; a single number stands for every axis."""

    kernel: Sequence[int]
    stride: Sequence[int] = ()
    padding: Sequence[int] = (0,)
    dilation: Sequence[int] = (1,)
    ceil_mode: bool = False


class AverageWindow(NamedTuple):
    """What PyTorch's average pools take after their input."""

    kernel: Sequence[int]
    stride: Sequence[int] = ()
    padding: Sequence[int] = (0,)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None


def max_pool(pair: Callable[[Gaussian, Gaussian], Gaussian], axes: int, value: Gaussian, window: MaxWindow) -> Gaussian:
    """Max pooling over the last `axes` axes, the elements of a window being compared in pairs by `pair`.

    Raises:
        ExportError: the pool rounds its output size up.
    """
    if window.ceil_mode:
        raise ExportError("a max pool with ceil_mode=True has no rule over Gaussians; pad its input instead")
    kernel, padding, dilation = (_each(given, axes) for given in (window.kernel, window.padding, window.dilation))
    stride = _each(window.stride, axes) if len(window.stride) else kernel
    border = [side for size in reversed(padding) for side in (size, size)]
    mean = functional.pad(value.mean, border, value=_OUTSIDE) if any(border) else value.mean
    var = functional.pad(value.var, border) if any(border) else value.var
    parts = [
        Gaussian(_window(mean, offset, kernel, stride, dilation), _window(var, offset, kernel, stride, dilation))
        for offset in itertools.product(*(range(size) for size in kernel))
    ]
    while len(parts) > 1:
        pairs = zip(parts[:-1:2], parts[1::2], strict=True)
        parts = [pair(left, right) for left, right in pairs] + parts[len(parts) // 2 * 2 :]
    return parts[0]


def average_pool(operator: Callable[..., Tensor], axes: int, value: Gaussian, window: AverageWindow) -> Gaussian:
    """Average pooling over the last `axes` axes by `operator` (`avg_pool1d`, `avg_pool2d`).

    Raises:
        ExportError: the pool rounds its output size up.
    """
    if window.ceil_mode:
        raise ExportError("an average pool with ceil_mode=True has no rule over Gaussians; pad its input instead")
    full = math.prod(_each(window.kernel, axes))
    settings = window[: 6 if axes == 2 else 5]
    count: int | Tensor = window.divisor_override or full
    if not window.count_include_pad and not window.divisor_override:
        count = operator(torch.ones_like(value.mean[:1]), *window[:3], False, True) * full
    return Gaussian(operator(value.mean, *settings), operator(value.var, *settings) / count)


def adaptive_average_pool(operator: Callable[..., Tensor], value: Gaussian, sizes: Sequence[int]) -> Gaussian:
    """Adaptive average pooling: output i of n covers inputs ⌊i N / n⌋ to ⌈(i + 1) N / n⌉."""
    counts = torch.ones((), dtype=value.mean.dtype)
    for size, length in zip(sizes, value.mean.shape[-len(sizes) :], strict=True):
        each = [math.ceil((i + 1) * length / size) - i * length // size for i in range(size)]
        counts = counts.unsqueeze(-1) * torch.tensor(each, dtype=value.mean.dtype)
    return Gaussian(operator(value.mean, sizes), operator(value.var, sizes) / counts)


def _each(given: Sequence[int], axes: int) -> list[int]:
    return list(given) * (axes if len(given) == 1 else 1)


def _window(
    tensor: Tensor, offset: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """What stands at one place of every window."""
    axes = len(offset)
    for axis, (start, size, step, gap) in enumerate(zip(offset, kernel, stride, dilation, strict=True)):
        length = tensor.shape[axis - axes]
        count = (length - gap * (size - 1) - 1) // step + 1
        tensor = torch.ops.aten.slice.Tensor(
            tensor, axis - axes, gap * start, gap * start + step * (count - 1) + 1, step
        )
    return tensor
