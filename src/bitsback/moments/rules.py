"""Which operator of a traced graph has which rule."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from bitsback.errors import RecipeError
from bitsback.moments import arithmetic, bilinear, norm, piecewise, pooling
from bitsback.moments.pooling import MaxPool
from bitsback.moments.quadrature import smooth
from bitsback.moments.softmax import softmax
from bitsback.posterior.contract import Gaussian

Rule = Callable[..., Any]
_aten = torch.ops.aten

_AFFINE = (
    *(_aten.linear.default, _aten.conv1d.default, _aten.conv2d.default),
    *(_aten.conv1d.padding, _aten.conv2d.padding),
)
_PRODUCTS = (_aten.matmul.default, _aten.bmm.default, _aten.mm.default)
_MOVES = (
    *(_aten.view.default, _aten.reshape.default, _aten.flatten.using_ints, _aten.unflatten.int),
    *(_aten.permute.default, _aten.transpose.int, _aten.t.default, _aten.movedim.int, _aten.unsqueeze.default),
    *(_aten.squeeze.default, _aten.squeeze.dim, _aten.squeeze.dims, _aten.slice.Tensor, _aten.select.int),
    *(_aten.expand.default, _aten.contiguous.default, _aten.clone.default, _aten.alias.default, _aten.chunk.default),
    *(_aten.split.Tensor, _aten.split_with_sizes.default, _aten.narrow.default, _aten.index_select.default),
    *(_aten.flip.default, _aten.roll.default, _aten.pixel_shuffle.default, _aten.pixel_unshuffle.default),
    *(_aten.channel_shuffle.default, _aten.upsample_nearest1d.vec, _aten.upsample_nearest2d.vec),
)
_SMOOTH: dict[Any, Callable[..., torch.Tensor]] = {
    _aten.sigmoid.default: torch.sigmoid,
    _aten.tanh.default: torch.tanh,
    _aten.gelu.default: functional.gelu,
    _aten.silu.default: functional.silu,
    _aten.silu_.default: functional.silu,
    _aten.softplus.default: functional.softplus,
    _aten.mish.default: functional.mish,
    _aten.elu.default: functional.elu,
    _aten.hardswish.default: functional.hardswish,
    _aten.hardsigmoid.default: functional.hardsigmoid,
}


def rules(max_pool: MaxPool = "larger_mean", *, factored: bool = False) -> dict[Any, Rule]:
    """The rule of every operator that has one; it takes what the operator takes.

    Args:
        max_pool: how max pools choose.
        factored: whether convolutions of images are `bilinear.factored`.

    Raises:
        RecipeError: `max_pool` has another name.
    """
    pairs = {"larger_mean": pooling.larger_mean, "clark": pooling.clark}
    if max_pool not in pairs:
        raise RecipeError(f"max_pool is {max_pool!r}; it must be one of {', '.join(pairs)}")
    pair = pairs[max_pool]
    images = bilinear.factored if factored else bilinear.affine
    return {
        **{operator: partial(bilinear.affine, operator) for operator in _AFFINE},
        **{operator: partial(images, operator) for operator in (_aten.conv2d.default, _aten.conv2d.padding)},
        **{operator: partial(bilinear.product, operator) for operator in _PRODUCTS},
        **{operator: partial(arithmetic.moved, operator) for operator in _MOVES},
        **{operator: _smooth(function) for operator, function in _SMOOTH.items()},
        **_piecewise(),
        **_sums(),
        _aten.embedding.default: bilinear.embedding,
        _aten.batch_norm.default: lambda value, *settings: norm.batch_norm(value, norm.BatchNorm(*settings)),
        _aten.layer_norm.default: lambda value, *settings: norm.layer_norm(value, *settings[:4]),
        _aten.softmax.int: softmax,
        _aten.max_pool1d.default: _largest(pair, 1),
        _aten.max_pool2d.default: _largest(pair, 2),
        _aten.avg_pool1d.default: _average(_aten.avg_pool1d.default, 1),
        _aten.avg_pool2d.default: _average(_aten.avg_pool2d.default, 2),
        _aten.adaptive_avg_pool1d.default: partial(pooling.adaptive_average_pool, _aten.adaptive_avg_pool1d.default),
        _aten.adaptive_avg_pool2d.default: partial(pooling.adaptive_average_pool, _aten.adaptive_avg_pool2d.default),
    }


def _smooth(function: Callable[..., torch.Tensor]) -> Rule:
    return lambda value, *args, **kwargs: smooth(lambda x: function(x, *args, **kwargs), value)


def _largest(pair: Callable[..., Any], axes: int) -> Rule:
    return lambda value, *settings: pooling.max_pool(pair, axes, value, pooling.MaxWindow(*settings))


def _average(operator: Callable[..., torch.Tensor], axes: int) -> Rule:
    return lambda value, *settings: pooling.average_pool(operator, axes, value, pooling.AverageWindow(*settings))


def _piecewise() -> dict[Any, Rule]:
    return {
        _aten.relu.default: piecewise.relu,
        _aten.relu_.default: piecewise.relu,
        _aten.leaky_relu.default: lambda value, slope=0.01: piecewise.relu(value, slope),
        _aten.leaky_relu_.default: lambda value, slope=0.01: piecewise.relu(value, slope),
        _aten.relu6.default: lambda value: piecewise.clamp(value, 0, 6),
        _aten.relu6_.default: lambda value: piecewise.clamp(value, 0, 6),
        _aten.hardtanh.default: lambda value, low=-1, high=1: piecewise.clamp(value, low, high),
        _aten.hardtanh_.default: lambda value, low=-1, high=1: piecewise.clamp(value, low, high),
        _aten.clamp.default: _clamped,
        _aten.clamp_min.default: piecewise.clamp,
    }


def _clamped(value: Gaussian, *bounds: float | None, **named: float | None) -> Gaussian:
    low, high = (*bounds, None, None)[:2]
    return piecewise.clamp(value, named.get("min", low), named.get("max", high))


def _sums() -> dict[Any, Rule]:
    return {
        _aten.add.Tensor: arithmetic.plus,
        _aten.add_.Tensor: arithmetic.plus,
        _aten.sub.Tensor: arithmetic.minus,
        _aten.sub_.Tensor: arithmetic.minus,
        _aten.rsub.Scalar: lambda value, other, alpha=1: arithmetic.minus(other, value, alpha=alpha),
        _aten.neg.default: arithmetic.negative,
        _aten.mul.Tensor: arithmetic.times,
        _aten.mul_.Tensor: arithmetic.times,
        _aten.div.Tensor: arithmetic.divided,
        _aten.div_.Tensor: arithmetic.divided,
        _aten.mean.dim: arithmetic.averaged,
        _aten.mean.default: arithmetic.averaged,
        _aten.sum.dim_IntList: arithmetic.summed,
        _aten.cat.default: arithmetic.concatenated,
        _aten.pad.default: arithmetic.padded,
    }
