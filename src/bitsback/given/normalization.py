"""The affine map from raw units to zero mean and unit spread.

A data set stays in raw units (pixels 0 to 255); the map is kept beside it and becomes the first step of every program.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bitsback.errors import RecipeError
from bitsback.settings import is_number

_CHUNK = 4096


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation, in raw units, of each channel of an image or each feature of a vector.

    Attributes:
        mean: One mean per entry of axis 1.
        std: One standard deviation per entry of axis 1; never zero (what is constant has 1).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return `(x - mean) / std` as float32.

        Args:
            x: Raw values [N, channels, ...] or [N, features].

        Returns:
            Normalized values of the same shape.
        """
        shape = (1, len(self.mean)) + (1,) * (x.ndim - 2)
        mean = np.asarray(self.mean, np.float32).reshape(shape)
        std = np.asarray(self.std, np.float32).reshape(shape)
        return (x.astype(np.float32) - mean) / std


def measure(x: np.ndarray) -> Normalization:
    """Measure mean and standard deviation over all axes but axis 1, in float64 and in chunks.

    Args:
        x: Raw values [N, channels, ...] or [N, features], N at least 1.

    Returns:
        The map that gives `x` zero mean and unit variance.
    """
    axes = (0, *range(2, x.ndim))
    mean = _mean_over(x, lambda chunk: np.asarray(np.mean(chunk, axis=axes, dtype=np.float64)))
    shifted = mean.reshape((1, -1) + (1,) * (x.ndim - 2))
    var = _mean_over(x, lambda chunk: np.asarray(np.mean(np.square(chunk - shifted), axis=axes)))
    constant = var <= 1e-12 * np.maximum(1.0, np.square(mean))
    std = np.where(constant, 1.0, np.sqrt(var))
    return Normalization(tuple(mean.tolist()), tuple(std.tolist()))


def check_stated(of: str, mean: object, std: object) -> None:
    """Refuse what nothing can be standardized by.

    Args:
        of: "input" or "target".
        mean: What a user named, None for nothing.
        std: The same.

    Raises:
        RecipeError: One is there without the other, or is no list of such numbers.
    """
    if (mean is None) != (std is None):
        there, missing = ("mean", "std") if std is None else ("std", "mean")
        raise RecipeError(f"{of}_{there} is given without {of}_{missing}; standardizing takes both")
    if mean is not None and not _numbers(mean, -math.inf):
        raise RecipeError(f"{of}_mean = {mean!r} must be a list of finite numbers, such as (0.0,)")
    if std is not None and not _numbers(std, 0.0):
        raise RecipeError(f"{of}_std = {std!r} must be a list of finite numbers above 0, such as (1.0,)")


def stated(mean: Sequence[float] | None, std: Sequence[float] | None, measured: Normalization) -> Normalization:
    """The map that a user names, or the measured one where none is named.

    Args:
        mean: One number for all channels or features, or one for each; None where none is named, as for `std`.
        std: The same, above 0.
        measured: Says how many channels or features there are.

    Raises:
        RecipeError: There are another number of them.
    """
    if mean is None or std is None:
        return measured
    axis = len(measured.mean)
    for values in (mean, std):
        if len(values) not in {1, axis}:
            raise RecipeError(f"{list(values)} are {len(values)} numbers to standardize by; 1 or {axis} are needed")
    return Normalization(*(tuple(map(float, values)) * (axis // len(values)) for values in (mean, std)))


def _numbers(values: object, above: float) -> bool:
    listed = values if isinstance(values, list | tuple) else ()
    return bool(listed) and all(is_number(each) and above < each < math.inf for each in listed)


def _mean_over(x: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    total = np.zeros(x.shape[1], np.float64)
    for start in range(0, len(x), _CHUNK):
        chunk = x[start : start + _CHUNK]
        total += of(chunk) * len(chunk)
    return total / len(x)
