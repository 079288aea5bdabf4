"""Functions of vectors from additions and multiplications: LLVM would call the C library for each lane.

Each polynomial interpolates its function at Chebyshev nodes, so that its largest relative error, said beside it, is within a
small factor of the least possible.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from tvm import tirx

from bitsback.lower.build.native.code import LANES, Code, spread
from bitsback.moments.mills import MILLS, MILLS_SCALE

_LN2 = math.log(2)
_HIGH = 0.693359375  # ln 2 in two parts: products of a small whole number with the first are exact
_LOW = _LN2 - _HIGH
_LEAST = 1e-30  # of a variance: its root divides
_FARTHEST = 13.0  # standard deviations; beyond, the density is no normal float32


def _polynomial(
    function: Callable[[np.ndarray], np.ndarray], degree: int, low: float, high: float
) -> tuple[float, ...]:
    """Coefficients by rising power."""
    at = 0.5 * (low + high) + 0.5 * (high - low) * chebyshev.chebpts1(degree + 1)
    found = np.polynomial.Polynomial.fit(at, function(at), degree, domain=[low, high]).convert()
    return tuple(float(each) for each in found.coef)


def _log_ratio(square: np.ndarray) -> np.ndarray:
    """2 atanh(s) / s as a function of s²."""
    root = np.sqrt(np.maximum(square, 1e-30))
    return 2 * np.arctanh(root) / root


_EXP = _polynomial(np.exp, 6, -0.5 * _LN2, 0.5 * _LN2)  # 7e-9
_LOG = _polynomial(_log_ratio, 3, 0.0, (math.sqrt(2) - 1) ** 2 / (math.sqrt(2) + 1) ** 2)  # 2e-8


class Normal(NamedTuple):
    """The standard normal at some points: φ, Φ and 1 − Φ."""

    density: Any
    lower: Any
    upper: Any


def polynomial(code: Code, coefficients: Sequence[float], x: Any) -> Any:
    """A polynomial, its coefficients by rising power; pairs of terms, pairs of pairs and so on, which wait for few others."""
    terms = [spread(each) for each in coefficients]
    power = x
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        last = terms[-1:] if len(terms) % 2 else []
        terms = [*(code.let(high * power + low) for low, high in pairs), *last]
        power = code.let(power * power)
    return terms[0]


def exp(code: Code, x: Any) -> Any:
    """e^x of a vector, 0 below −87."""
    x = code.let(tirx.max(x, spread(-87.0)))
    power = code.let(tirx.floor(x * spread(1 / _LN2) + spread(0.5)))
    rest = code.let(x - power * spread(_HIGH) - power * spread(_LOW))
    exponent = (power.astype(f"int32x{LANES}") + _integers(127)) << _integers(23)
    return code.let(polynomial(code, _EXP, rest) * _as_floats(exponent))


def log(code: Code, x: Any) -> Any:
    """Ln x of a vector of positive normal numbers."""
    bits = code.let(_as_integers(x))
    power = code.let((bits - _integers(0x3F3504F3)) >> _integers(23))  # so that the mantissa lies in [√½, √2)
    mantissa = code.let(_as_floats(bits - (power << _integers(23))))
    ratio = code.let((mantissa - spread(1.0)) / (mantissa + spread(1.0)))
    return code.let(ratio * polynomial(code, _LOG, ratio * ratio) + power.astype(f"float32x{LANES}") * spread(_LN2))


def normal(code: Code, z: Any) -> Normal:
    """Density and tails, as `moments.normal` has them."""
    distance = code.let(tirx.min(tirx.abs(z), spread(_FARTHEST)))
    density = code.let(exp(code, distance * distance * spread(-0.5)) * spread(1 / math.sqrt(2 * math.pi)))
    inverse = code.let(spread(1.0) / (distance + spread(MILLS_SCALE)))
    t = code.let((distance - spread(MILLS_SCALE)) * inverse)
    far = code.let(density * polynomial(code, MILLS, t) * inverse)
    near = code.let(spread(1.0) - far)
    positive = z > spread(0.0)
    return Normal(density, code.let(tirx.Select(positive, near, far)), code.let(tirx.Select(positive, far, near)))


def deviation(code: Code, var: Any) -> Any:
    """The root of a variance, never 0."""
    return code.let(tirx.sqrt(tirx.max(var, spread(_LEAST))))


class Rectified(NamedTuple):
    """A rectified normal: its mean and variance; and of the normal the deviation σ, Φ(μ/σ) and σ φ(μ/σ)."""

    mean: Any
    var: Any
    std: Any
    lower: Any
    peak: Any


def rectified(code: Code, mean: Any, var: Any) -> Rectified:
    """Mean and variance of a rectified normal, as `moments.piecewise.relu` has them."""
    std = deviation(code, var)
    density, lower, upper = normal(code, code.let(mean / std))
    peak = code.let(std * density)
    both = code.let(mean * mean * lower * upper)
    kink = code.let(both + mean * peak * (upper - lower) - peak * peak)
    return Rectified(
        code.let(mean * lower + peak), code.let(tirx.max(var * lower + kink, spread(0.0))), std, lower, peak
    )


def _integers(value: int) -> Any:
    return tirx.Broadcast(tirx.const(value, "int32"), tirx.const(LANES, "int32"))


def _as_floats(bits: Any) -> Any:
    return tirx.reinterpret(f"float32x{LANES}", bits)


def _as_integers(value: Any) -> Any:
    return tirx.reinterpret(f"int32x{LANES}", value)
