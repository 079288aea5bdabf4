"""Piecewise linear activations, in closed form: ReLU, leaky ReLU, ReLU6 and other clamps.

Moments of a rectified normal: Frey and Hinton, "Variational learning in nonlinear Gaussian belief networks", Neural
Computation 1999; of a doubly truncated one: Johnson, Kotz and Balakrishnan, "Continuous univariate distributions", 13.10.1.
The variances are arranged so that large terms do not cancel.
"""

import torch
from torch import Tensor

from bitsback.moments.normal import normal, standardized
from bitsback.posterior.contract import Gaussian


def relu(value: Gaussian, slope: float = 0.0) -> Gaussian:
    """X where x > 0, else slope · x.

    With z = mean / std, d = std φ(z) and K = mean² Φ(z) Φ(−z) + mean d (Φ(−z) − Φ(z)) − d²,

        mean' = mean (Φ(z) + slope Φ(−z)) + (1 − slope) d
        var'  = var (Φ(z) + slope² Φ(−z)) + (1 − slope)² K
    """
    mean, var = value
    std = torch.sqrt(var)
    density, lower, upper = normal(standardized(mean, std))
    peak = std * density
    kink = mean.square() * lower * upper + mean * peak * (upper - lower) - peak.square()
    if slope == 0:
        return Gaussian(mean * lower + peak, (var * lower + kink).clamp_min(0))
    new_mean = mean * (lower + slope * upper) + (1 - slope) * peak
    new_var = var * (lower + slope**2 * upper) + (1 - slope) ** 2 * kink
    return Gaussian(new_mean, new_var.clamp_min(0))


def clamp(value: Gaussian, low: float | None = None, high: float | None = None) -> Gaussian:
    """min(max(x, low), high), either bound being optional; ReLU6 is `clamp(x, 0, 6)`.

    The variance is the sum of three shares, all of them non-negative: below, between and above the bounds.
    """
    if high is None:
        return value if low is None else _shifted(relu(Gaussian(value.mean - low, value.var)), low)
    if low is None:
        return _negated(clamp(_negated(value), -high))
    return _between(value, low, high)


def _between(value: Gaussian, low: float, high: float) -> Gaussian:
    mean, var = value
    std = torch.sqrt(var)
    at_low, at_high = normal(standardized(low - mean, std)), normal(standardized(high - mean, std))
    # A difference of lower tails loses what is far above the mean, one of upper tails what is far below.
    inside = torch.where(low > mean, at_low.upper - at_high.upper, at_high.lower - at_low.lower)
    slant = std * (at_low.density - at_high.density)
    new_mean = mean * inside + slant + low * at_low.lower + high * at_high.upper
    offset = mean - new_mean
    ends = std * ((low - mean) * at_low.density - (high - mean) * at_high.density)
    middle = offset.square() * inside + 2 * offset * slant + var * inside + ends
    outside = (low - new_mean).square() * at_low.lower + (high - new_mean).square() * at_high.upper
    return Gaussian(new_mean, middle.clamp_min(0) + outside)


def _negated(value: Gaussian) -> Gaussian:
    return Gaussian(-value.mean, value.var)


def _shifted(value: Gaussian, by: float | Tensor) -> Gaussian:
    return Gaussian(value.mean + by, value.var)
