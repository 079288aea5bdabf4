"""The standard normal's density and both its tails, with relative accuracy, from operators that every engine has.

The upper tail is the density times Mills' ratio. A difference of two distribution functions or 1 − Φ would lose its accuracy.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from bitsback.moments.mills import MILLS, MILLS_SCALE

_FARTHEST = 40.0  # beyond it the density is 0 even in float64
_LEAST = 1e-30  # a standard deviation that float32 can divide by


class Normal(NamedTuple):
    """The standard normal at some points.

    Attributes:
        density: φ(z).
        lower: Φ(z).
        upper: 1 − Φ(z), not computed as that difference.
    """

    density: Tensor
    lower: Tensor
    upper: Tensor


def normal(z: Tensor) -> Normal:
    """Density and tails at `z`, any shape, to a relative 2e-8 or the precision of `z`."""
    distance = z.abs()
    density = torch.exp(-0.5 * distance * distance) * (1 / math.sqrt(2 * math.pi))
    t = (distance - MILLS_SCALE) / (distance + MILLS_SCALE)
    mills = torch.full_like(t, MILLS[-1])
    for coefficient in reversed(MILLS[:-1]):
        mills = mills * t + coefficient
    far = density * mills / (distance + MILLS_SCALE)
    near = 1 - far
    positive = z > 0
    return Normal(density, torch.where(positive, near, far), torch.where(positive, far, near))


def standardized(mean: Tensor, std: Tensor) -> Tensor:
    """Mean / std, finite where the standard deviation is 0."""
    return (mean / std.clamp_min(_LEAST)).clamp(-_FARTHEST, _FARTHEST)
