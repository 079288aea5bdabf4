"""Moments by adaptive integration: the slow and obvious reference for elementwise rules."""

import itertools
import math
from collections.abc import Callable

from scipy import integrate, stats


def moments(
    function: Callable[[float], float], mean: float, std: float, kinks: tuple[float, ...] = ()
) -> tuple[float, float]:
    """Mean and variance of `function(x)` for x ~ N(mean, std²), by pieces between the function's kinks."""
    density = stats.norm(mean, std).pdf
    ends = sorted({mean - 12 * std, *(k for k in kinks if abs(k - mean) < 12 * std), mean, mean + 12 * std})

    def integral(integrand: Callable[[float], float]) -> float:
        pieces = itertools.pairwise(ends)
        return math.fsum(
            integrate.quad(lambda x: integrand(x) * density(x), a, b, epsabs=0, epsrel=1e-11, limit=200)[0]
            for a, b in pieces
        )

    first = integral(function)
    return first, integral(lambda x: (function(x) - first) ** 2)
