"""The standard normal's density and both its tails, with relative accuracy, from operators that every engine has.

The upper tail is the density times Mills' ratio R(z) = (1 − Φ(z)) / φ(z). For z ≥ 0, (z + k) R(z) is smooth and bounded in
t = (z − k) / (z + k), which maps [0, ∞) to [−1, 1): a polynomial of degree 10 through its values at Chebyshev nodes, k = 3.5,
gives R to a relative 2e-8 everywhere. A difference of two distribution functions or 1 − Φ would lose that.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

MILLS_SCALE = 3.5
MILLS = (
    *(1.8659743827775663, -1.4176534714743236, 0.7906533687928772, -0.2908918184281120, 0.0436305189722383),
    *(0.0162059385387718, -0.0079685359433158, -0.0010471904805830, 0.0011347353789446, 8.681757367670464e-05),
    -0.00012474709199709013,
)
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
