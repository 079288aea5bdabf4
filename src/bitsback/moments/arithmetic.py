"""Sums, constants and means over axes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bitsback.errors import ExportError
from bitsback.moments import bilinear
from bitsback.moments.gaussian import Value, mean_of
from bitsback.posterior.contract import Gaussian

_aten = torch.ops.aten


def plus(left: Value, right: Value | float, *, alpha: float = 1) -> Gaussian:
    """Left + alpha · right; one and the same value twice is (1 + alpha) times it."""
    if left is right and isinstance(left, Gaussian):
        return times(left, 1 + alpha)
    mean = _mean(left) + alpha * _mean(right)
    terms = [left.var] if isinstance(left, Gaussian) else []
    terms += [alpha**2 * right.var] if isinstance(right, Gaussian) else []
    return Gaussian(mean, (sum(terms[1:], terms[0])).expand_as(mean))


def minus(left: Value | float, right: Value | float, *, alpha: float = 1) -> Gaussian:
    """Left − alpha · right."""
    return plus(left, right, alpha=-alpha)  # pyright: ignore[reportArgumentType]


def negative(value: Gaussian) -> Gaussian:
    """−x."""
    return Gaussian(-value.mean, value.var)


def times(left: Value | float, right: Value | float) -> Gaussian:
    """Left · right; one and the same value twice is its square."""
    if isinstance(left, Gaussian) and left is right:
        return bilinear.square(left)
    if isinstance(left, Gaussian) and not isinstance(right, Gaussian):
        return _scaled(left, right)
    if isinstance(right, Gaussian) and not isinstance(left, Gaussian):
        return _scaled(right, left)
    return bilinear.product(torch.mul, left, right)  # pyright: ignore[reportArgumentType]


def divided(value: Value | float, by: Value | float) -> Gaussian:
    """Value / by.

    Raises:
        ExportError: the divisor is random.
    """
    if isinstance(by, Gaussian):
        raise ExportError("a division by a random value has no moments")
    return times(value, 1 / by)


def averaged(value: Gaussian, axes: list[int] | int | None = None, keepdim: bool = False, **rest: Any) -> Gaussian:
    """The mean over axes, all of them where none is named."""
    total = summed(value, axes, keepdim, **rest)
    count = value.mean.numel() // total.mean.numel() if axes is None else 1
    for axis in () if axes is None else (axes if isinstance(axes, list) else (axes,)):
        count = count * value.mean.shape[axis]
    return Gaussian(total.mean / count, total.var / count**2)


def summed(value: Gaussian, axes: list[int] | int | None = None, keepdim: bool = False, **rest: Any) -> Gaussian:
    """The sum over axes."""
    return Gaussian(torch.sum(value.mean, axes, keepdim, **rest), torch.sum(value.var, axes, keepdim, **rest))


def concatenated(values: Sequence[Value], axis: int = 0) -> Gaussian:
    """Values one after the other; what is no Gaussian has variance 0."""
    variances = [v.var if isinstance(v, Gaussian) else torch.zeros_like(v) for v in values]
    return Gaussian(torch.cat([mean_of(v) for v in values], axis), torch.cat(variances, axis))


def padded(value: Gaussian, sizes: Sequence[int], mode: str = "constant", fill: float | None = None) -> Gaussian:
    """Padding; a constant border has variance 0."""
    if mode == "constant":
        return Gaussian(
            _aten.pad.default(value.mean, sizes, mode, fill), _aten.pad.default(value.var, sizes, mode, 0.0)
        )
    return Gaussian(_aten.pad.default(value.mean, sizes, mode), _aten.pad.default(value.var, sizes, mode))


def moved(operator: Callable[..., Any], value: Gaussian, *args: Any, **kwargs: Any) -> Any:
    """What moves, repeats or picks elements and computes nothing: mean and variance alike; one value, or several."""
    mean, var = operator(value.mean, *args, **kwargs), operator(value.var, *args, **kwargs)
    if isinstance(mean, Tensor):
        return Gaussian(mean, var)
    return [Gaussian(each, its_var) for each, its_var in zip(mean, var, strict=True)]


def _mean(value: Value | float) -> Any:
    return value if isinstance(value, int | float) else mean_of(value)


def _scaled(value: Gaussian, by: Tensor | float) -> Gaussian:
    return Gaussian(value.mean * by, value.var * (by * by))
