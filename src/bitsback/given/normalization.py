"""The affine map from raw units to zero mean and unit spread.

A data set stays in raw units (pixels 0 to 255); the map is kept beside it and becomes the first step of every program.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


def _mean_over(x: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    total = np.zeros(x.shape[1], np.float64)
    for start in range(0, len(x), _CHUNK):
        chunk = x[start : start + _CHUNK]
        total += of(chunk) * len(chunk)
    return total / len(x)
