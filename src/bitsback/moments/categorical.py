"""Class probabilities of Gaussian logits and what is not known about them, without samples.

The share of a class is that of one against the rest, p = σ(z − L) with L the log of the sum of the other exponentials. Two
independent normals a and b have log(eᵃ + eᵇ) = b + softplus(a − b) approximately normal again; with s² = var a + var b,
t² = 1 + s² / (2π ln² 2), D = (E a − E b) / t, q = σ(D), q' = q (1 − q) / t and q'' = q' (1 − 2q) / t,

    mean = E b + t softplus(D)
    var  = var a (q² + c) + var b ((1 − q)² + c),   c = s² q'² / 2 + s⁴ q''² / 6

The mean is exact where s or |D| is 0 or large: it is how MacKay ("The evidence framework applied to classification networks",
Neural Computation 1992) widens a sigmoid, with a width that is right at its middle. The variance is that of the first three
Hermite orders of the two derivatives. The rest of every class is found as in a knock-out tournament: pairs are joined level by
level, and on the way back each half of a pair joins its sibling to what is outside of the pair, 2 ⌈log₂ C⌉ steps in all. Each
class's mean share and its Jensen gap E[p log p] − E p log E p are then sums over 16 fixed nodes of z − L.

Root mean square errors of the probabilities, and of knowledge in nats, against 100,000 samples of ten logits with means
N(0, 3²), in a third of the cases one of them 8 higher:

    std of the logits            0.1           0.5           1             2             5
    probabilities, this          0.00003       0.0003        0.0009        0.0022        0.0049
    probabilities, 64 points     0.00004       0.0005        0.0019        0.0055        0.013
    knowledge, this              0.000008      0.0006        0.0040        0.013         0.044
    knowledge, 64 points         0.00009       0.0023        0.0092        0.023         0.047
    knowledge itself             0.0020        0.048         0.18          0.55          1.4
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from bitsback.posterior.contract import Gaussian

_NODES = 16
_REACH = 5.0  # of the nodes, in standard deviations
_ABSENT = -1e4  # a logit whose share is 0


def shares(logits: Gaussian) -> tuple[Tensor, Tensor]:
    """Mean class probabilities, and the mutual information of class and logits.

    Args:
        logits: independent normals `[B, C]`.

    Returns:
        Probabilities `[B, C]`, which sum to 1, and nats `[B]`, at least 0.
    """
    rest = _rest(logits)
    std = torch.sqrt(logits.var + rest.var)
    points, weights = (each.to(std.dtype).reshape(-1, *(1,) * std.ndim) for each in _nodes())
    # log σ as a softplus: of PyTorch's logsigmoid ONNX makes the log of a sigmoid, which is that of 0 far out.
    log_share = -functional.softplus(rest.mean - logits.mean - std * points)
    share = torch.exp(log_share)
    mean = (weights * share).sum(0)
    log_mean = torch.log(mean.clamp_min(torch.finfo(mean.dtype).tiny))
    gap = (weights * (share * (log_share - log_mean) - share + mean)).sum(0)  # each term is at least 0
    return mean / mean.sum(-1, keepdim=True), gap.sum(-1).clamp_min(0)


def _nodes() -> tuple[Tensor, Tensor]:
    """Evenly spaced nodes and their weights, with a normal's variance."""
    points = torch.linspace(-_REACH, _REACH, _NODES, dtype=torch.float64)
    weights = torch.exp(-0.5 * points.square())
    weights = weights / weights.sum()
    return points / (weights * points.square()).sum().sqrt(), weights


def _rest(logits: Gaussian) -> Gaussian:
    """What stands against each logit: the log of the sum of the others' exponentials, `[B, C]`."""
    count = logits.mean.shape[-1]
    levels = max(math.ceil(math.log2(count)), 1)
    highest = logits.mean.amax(-1, keepdim=True)
    border = (0, 2**levels - count)
    value = Gaussian(
        functional.pad(logits.mean - highest, border, value=_ABSENT), functional.pad(logits.var, border, value=0.0)
    )
    below = [value]
    for _ in range(levels - 1):
        below.append(_joined(*_halves(below[-1])))
    outside = _turned(below.pop())
    for each in reversed(below):
        outside = _joined(_doubled(outside), _turned(each))
    return Gaussian(outside.mean[..., :count] + highest, outside.var[..., :count])


def _joined(left: Gaussian, right: Gaussian) -> Gaussian:
    """The log of the sum of two exponentials."""
    both = left.var + right.var
    width = torch.sqrt(1 + both * (1 / (2 * math.pi * math.log(2) ** 2)))
    apart = (left.mean - right.mean) / width
    first, second = torch.sigmoid(apart), torch.sigmoid(-apart)
    slope = first * second / width
    bend = slope * (second - first) / width
    curved = 0.5 * both * slope.square() + both.square() * bend.square() / 6
    mean = torch.maximum(left.mean, right.mean) + width * functional.softplus(-apart.abs())
    return Gaussian(mean, left.var * (first.square() + curved) + right.var * (second.square() + curved))


def _halves(value: Gaussian) -> tuple[Gaussian, Gaussian]:
    """The first and the second of every pair."""
    return Gaussian(*(each[..., 0::2] for each in value)), Gaussian(*(each[..., 1::2] for each in value))


def _turned(value: Gaussian) -> Gaussian:
    """Every pair with its first and second exchanged."""
    return Gaussian(*(torch.stack([each[..., 1::2], each[..., 0::2]], -1).flatten(-2) for each in value))


def _doubled(value: Gaussian) -> Gaussian:
    """Each value twice, one after the other."""
    return Gaussian(*(torch.stack([each, each], -1).flatten(-2) for each in value))
