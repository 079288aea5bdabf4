"""A softmax over Gaussians, by a fixed set of quasi-random points: it mixes its elements, and has no closed form."""

import functools

import torch
from torch import Tensor

from bitsback.posterior.contract import Gaussian

_POINTS = 64


@functools.cache
def _unit_points(count: int, elements: int) -> Tensor:
    engine = torch.quasirandom.SobolEngine(elements, scramble=True, seed=0)
    uniform = engine.draw(count, dtype=torch.float64)
    points = torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))
    points = points - points.mean(0)
    return points / points.square().mean(0).sqrt()


def quasi_random(count: int, elements: int) -> Tensor:
    """`count` points `[count, elements]` of a standard normal, the same in every call (scrambled Sobol, seed 0).

    Each element's mean over the points is 0 and its variance 1, up to rounding.
    """
    return _unit_points(count, elements).clone()


def softmax(value: Gaussian, axis: int, dtype: torch.dtype | None = None) -> Gaussian:
    """Mean and variance of each share, over 64 points."""
    mean, var = (moment.transpose(axis, -1) for moment in value)
    points = quasi_random(_POINTS, mean.shape[-1]).to(mean.dtype)
    points = points.reshape(_POINTS, *(1,) * (mean.ndim - 1), -1)
    shares = torch.softmax(mean + torch.sqrt(var) * points, -1, dtype=dtype)
    new_mean = shares.mean(0)
    return Gaussian(new_mean.transpose(axis, -1), (shares - new_mean).square().mean(0).transpose(axis, -1))
