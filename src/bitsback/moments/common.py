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

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

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
    """S after a convolution, from the inputs' averages M = ⟨mean⟩ and their S.

    A tap at offset o sums a share f_o of the positions (less than all at a padded border), so that an average is multiplied
    by the sum of the taps: S' = Σ_c (M_c² + S_c) Σ_o f_o² var w_o + Σ_c S_c (Σ_o f_o E w_o)² + var b.
    """
    average = mean_of(inputs).mean(_POSITIONS)
    common = torch.zeros_like(average) if common is None else common
    reach = _reach(mean_of(inputs).shape[-2:], mean_of(weight).shape[-2:], how).to(average.dtype)
    result = _per_channel(common, (mean_of(weight) * reach).sum(_POSITIONS).square(), how.groups)
    if isinstance(weight, Gaussian):
        var = (weight.var * reach.square()).sum(_POSITIONS)
        result = result + _per_channel(average.square() + common, var, how.groups)
    return result + bias.var if isinstance(bias, Gaussian) else result


def _reach(lengths: Sequence[int], sizes: Sequence[int], how: Convolution) -> Tensor:
    """The share of output positions at which a tap meets an input and not the border, `[kernel height, kernel width]`."""
    shares = []
    for axis, (length, size) in enumerate(zip(lengths, sizes, strict=True)):
        gap, stride, padding = how.dilation[axis % len(how.dilation)], how.stride[axis % len(how.stride)], how.padding
        span = gap * (size - 1)
        before = padding[axis % len(padding)] if not isinstance(padding, str) else span // 2 * (padding == "same")
        after = before if not isinstance(padding, str) else (span - span // 2) * (padding == "same")
        count = (length + before + after - span - 1) // stride + 1
        starts = range(-before, -before + stride * count, stride)
        met = [sum(0 <= start + gap * tap < length for start in starts) / count for tap in range(size)]
        shares.append(torch.tensor(met, dtype=torch.float64))
    return shares[0][:, None] * shares[1][None, :]


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
    return torch.nn.functional.conv2d(values[..., None, None], weights[..., None, None], groups=groups)[..., 0, 0]


def _count(value: Gaussian) -> int:
    return value.mean.shape[-1] * value.mean.shape[-2]
