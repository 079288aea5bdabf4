"""Two numbers in 32 bits: a float32 whose low half is, by itself, the bfloat16 of another that is not negative.

As the low half is far below the precision that the high half has, the whole is read as the one number without a mask, and the
other costs a shift.
"""

import numpy as np


def low_halves(whole: np.ndarray) -> np.ndarray:
    """The other numbers, float32 of the same shape."""
    return (np.ascontiguousarray(whole, np.float32).view(np.uint32) << 16).view(np.float32)


def in_low_halves(whole: np.ndarray, other: np.ndarray) -> bool:
    """Whether these are the other numbers, bit by bit."""
    return bool(
        np.array_equal(low_halves(whole).view(np.uint32), np.ascontiguousarray(other, np.float32).view(np.uint32))
    )
