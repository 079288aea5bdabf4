"""The least time that a machine needs for so many multiply-adds over so many bytes, by what it does best itself.

What it does best takes turns with what it is the floor of: a machine that others share is now faster and now slower.
"""

from collections.abc import Callable, Iterable, Mapping

import torch

_SIZE = 192
_NAME = "floor"
_PRODUCT = f"{_NAME}_product"


def references(stored: Iterable[int]) -> dict[str, Callable[[], object]]:
    """What is timed beside others for their floor: a product of two matrices, and of two vectors of as many bytes each time.

    Args:
        stored: Bytes that are read once, and again in the next call.
    """
    a, b, out = (torch.rand(_SIZE, _SIZE) for _ in range(3))
    found: dict[str, Callable[[], object]] = {_PRODUCT: lambda: torch.mm(a, b, out=out)}
    for size in {*stored}:
        one, other = (torch.rand(max(size // 8, 64)) for _ in range(2))
        found[_reading(size)] = lambda one=one, other=other: torch.dot(one, other)
    return found


def is_reference(name: str) -> bool:
    """Whether a name is that of a reference."""
    return name.startswith(f"{_NAME}_")


def floor(seconds: Mapping[str, float], multiply_adds: int, stored: int) -> float:
    """Seconds: of arithmetic or of reading, whichever takes longer.

    Args:
        seconds: What the references took, by name.
        multiply_adds: In float32.
        stored: Bytes, one of those that there are references for.
    """
    return max(multiply_adds / _SIZE**3 * seconds[_PRODUCT], seconds[_reading(stored)])


def _reading(size: int) -> str:
    return f"{_NAME}_reading_{size}"
