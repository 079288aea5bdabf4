"""The least time that a machine needs for so many multiply-adds over so many bytes, by what it does best itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

_REPEATS = 25


@dataclass(frozen=True)
class Machine:
    """What one thread does.

    Attributes:
        multiply_adds: per second, float32: those of a product of two matrices of 384 x 384.
    """

    multiply_adds: float

    def floor(self, multiply_adds: int, stored: int) -> float:
        """Seconds: of arithmetic or of reading, whichever takes longer.

        Args:
            multiply_adds: In float32.
            stored: Bytes that are read once, and again in the next call.
        """
        return max(multiply_adds / self.multiply_adds, stored / bandwidth(stored))


@cache
def machine() -> Machine:
    """This one, one thread."""
    a, b, out = (torch.rand(384, 384) for _ in range(3))
    return Machine(384**3 / _fastest(lambda: torch.mm(a, b, out=out)))


@cache
def bandwidth(size: int) -> float:
    """Bytes per second of reading so many bytes again and again: two vectors are multiplied."""
    a, b = (torch.rand(max(size // 8, 64)) for _ in range(2))
    return 8 * len(a) / _fastest(lambda: torch.dot(a, b))


def _fastest(call: Callable[[], object]) -> float:
    """The least of some times, in which nothing else took the processor away."""
    for _ in range(3):
        call()
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
