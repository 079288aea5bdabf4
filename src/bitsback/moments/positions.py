"""What the positions of a feature map have in common: a correlation term per channel, carried beside the Gaussians.

A convolution uses the same random weights at every position, so that the errors of two positions correlate. Most operators
hardly notice; an average over n positions does, since independence would divide its variance by n. So beside mean and
variance of every element one more number per channel is carried: S, the variance of the channel's average over positions.

To take it through a nonlinearity, positions are modelled with one factor per channel, x_p = mean_p + τ std_p ξ + (the rest,
independent), ξ standard normal. With averages over the n positions written ⟨·⟩,

    S = τ² ⟨std⟩² + (1 − τ²) ⟨var⟩ / n,   solved for τ² in [0, 1]

and a rectified pair of normals with correlation ρ has the covariance ρ Φ Φ' std std' + ρ²/2 φ φ' std std' + O(ρ³) (the Hermite
expansion of Price's theorem, IRE Transactions on Information Theory 1958).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bitsback.moments.gaussian import Value, mean_of
from bitsback.moments.normal import normal, standardized
from bitsback.posterior.contract import Gaussian

_POSITIONS = (-1, -2)
_TINY = 1e-30


class Convolution(NamedTuple):
    """What PyTorch's convolutions take after input, weight and bias."""

    stride: Sequence[int] = (1, 1)
    padding: Sequence[int] | str = (0, 0)
    dilation: Sequence[int] = (1, 1)
    groups: int = 1


def convolved(inputs: Value, common: Tensor | None, weight: Value, bias: Value | None, how: Convolution) -> Tensor:
    """S after a convolution.

    A tap at offset o sums the inputs at shifted positions, a share f_o of them where a padded border is met. With M_o the
    average of the shifted means,

        S' = Σ_c Σ_o (M_co² + f_o² S_c) var w_o + Σ_c S_c (Σ_o f_o E w_o)² + var b
    """
    taps, shares = _taps(mean_of(inputs), mean_of(weight).shape[-2:], how)
    if common is None:
        common = torch.zeros_like(taps[..., 0, 0])
    result = _per_channel(common, (mean_of(weight) * shares).sum(_POSITIONS).square(), how.groups)
    if isinstance(weight, Gaussian):
        squares = taps.square() + shares.square() * common[..., None, None]
        result = result + functional.conv2d(squares, weight.var, groups=how.groups)[..., 0, 0]
    return result + bias.var if isinstance(bias, Gaussian) else result


def _taps(mean: Tensor, sizes: Sequence[int], how: Convolution) -> tuple[Tensor, Tensor]:
    """What each tap of a kernel averages, `[B, C, *sizes]`, and the share of its positions that are no border, `[*sizes]`."""
    border = _border(sizes, how)
    padded = functional.pad(mean, border)
    inside = functional.pad(torch.ones_like(mean[:1, :1]), border)
    gaps, strides = _pair(how.dilation), _pair(how.stride)
    counts = [(padded.shape[a - 2] - gaps[a] * (sizes[a] - 1) - 1) // strides[a] + 1 for a in (0, 1)]
    window = torch.ones(1, 1, *counts, dtype=mean.dtype) / math.prod(counts)

    def averages(tensor: Tensor) -> Tensor:
        """What a kernel's tap sees, a convolution with the parts of kernel and input exchanged sees at the tap's place."""
        seen = functional.conv2d(tensor.flatten(0, 1).unsqueeze(1), window, stride=gaps, dilation=strides)
        return seen[:, 0, : sizes[0], : sizes[1]].unflatten(0, tensor.shape[:2])

    return averages(padded), averages(inside)[0, 0]


def _border(sizes: Sequence[int], how: Convolution) -> list[int]:
    if isinstance(how.padding, str):
        spans = [
            gap * (size - 1) * (how.padding == "same") for gap, size in zip(_pair(how.dilation), sizes, strict=True)
        ]
        return [spans[1] // 2, spans[1] - spans[1] // 2, spans[0] // 2, spans[0] - spans[0] // 2]
    rows, columns = _pair(how.padding)
    return [columns, columns, rows, rows]


def _pair(given: Sequence[int]) -> list[int]:
    return list(given) * (2 if len(given) == 1 else 1)


def rectified(before: Gaussian, common: Tensor, after: Gaussian) -> Tensor:
    """S after a ReLU: what the common factor passes on to first and second order, and the independent rest."""
    std = torch.sqrt(before.var)
    at = normal(standardized(before.mean, std))
    share = shared(before, common)
    first, second = at.lower * std, at.density * std
    linear = share * first.mean(_POSITIONS).square()
    curved = 0.5 * share.square() * second.mean(_POSITIONS).square()
    own = share[..., None, None] * first.square() + 0.5 * share[..., None, None].square() * second.square()
    return linear + curved + (after.var - own).clamp_min(0).mean(_POSITIONS) / _count(after)


def kept(before: Gaussian, common: Tensor, after: Gaussian) -> Tensor:
    """S where the positions correlate as before: after any other nonlinearity, and after a pool."""
    share = shared(before, common)
    together = torch.sqrt(after.var).mean(_POSITIONS).square()
    return share * together + (1 - share) * after.var.mean(_POSITIONS) / _count(after)


def shared(value: Gaussian, common: Tensor) -> Tensor:
    """τ², the share of the common factor in a channel's variance, `[B, C]` in [0, 1]."""
    apart = value.var.mean(_POSITIONS) / _count(value)
    together = torch.sqrt(value.var).mean(_POSITIONS).square()
    return ((common - apart) / (together - apart).clamp_min(_TINY)).clamp(0, 1)


def averaged(value: Gaussian, common: Tensor, window: int, average: Gaussian) -> Gaussian:
    """An average pool of `window` positions each, given what it would be of independent ones."""
    share = shared(value, common)[..., None, None]
    return Gaussian(average.mean, average.var * (1 + (window - 1) * share))


def _per_channel(values: Tensor, weights: Tensor, groups: int) -> Tensor:
    return functional.conv2d(values[..., None, None], weights[..., None, None], groups=groups)[..., 0, 0]


def _count(value: Gaussian) -> int:
    return value.mean.shape[-1] * value.mean.shape[-2]
