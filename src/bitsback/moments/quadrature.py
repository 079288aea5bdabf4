"""Smooth activations without a closed form, by quadrature.

    E[f(x)] ≈ Σ_k w_k f(mean + std z_k),   Var[f(x)] ≈ Σ_k w_k (f(mean + std z_k) − E[f(x)])²

The 32 points are evenly spaced in ±6.5 and weighted by the normal density: for analytic functions this trapezoidal rule
converges geometrically (Trefethen and Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 2014). Beside
Gauss–Hermite quadrature of as many points its error is a hundredth or less for a standard deviation of the input of 1, a
tenth for 2 and a third for 4 (below 1 both are exact for a float32). For sigmoid, tanh, GELU and SiLU the error of mean and
standard deviation is at most 2e-8 for standard deviations of the input up to 1, 2e-4 up to 2, and 1e-2 up to 4.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bitsback.posterior.contract import Gaussian

_POINTS = np.linspace(-6.5, 6.5, 32)
_WEIGHTS = np.exp(-0.5 * _POINTS**2) / np.exp(-0.5 * _POINTS**2).sum()


def smooth(function: Callable[[Tensor], Tensor], value: Gaussian) -> Gaussian:
    """The first two moments of `function(x)`, which works element by element."""
    mean, var = value
    shape = (-1,) + (1,) * mean.ndim
    points = torch.tensor(_POINTS, dtype=mean.dtype).reshape(shape)
    weights = torch.tensor(_WEIGHTS, dtype=mean.dtype).reshape(shape)
    values = function(mean + torch.sqrt(var) * points)
    new_mean = (weights * values).sum(0)
    return Gaussian(new_mean, (weights * (values - new_mean).square()).sum(0))
