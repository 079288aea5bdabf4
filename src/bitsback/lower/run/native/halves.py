"""Two numbers in 32 bits: a float32 whose low half is, by itself, the bfloat16 of another that is not negative.

As the low half is far below the precision that the high half has, the whole is read as the one number without a mask, and the
other costs a shift.
"""

import numpy as np


def low_halves(whole: np.ndarray) -> np.ndarray:
    """The other numbers, float32 of the same shape."""
    return (np.ascontiguousarray(whole, np.float32).view(np.uint32) << 16).view(np.float32)


def has_no_lower_halves(whole: np.ndarray) -> bool:
    """Whether the numbers are float32 and bfloat16 holds each of them exactly."""
    return whole.dtype == np.float32 and not (whole.view(np.uint32) & 0xFFFF).any()


def upper_halves(whole: np.ndarray) -> np.ndarray:
    """The bits of bfloat16 of such numbers, uint16."""
    return (whole.view(np.uint32) >> 16).astype(np.uint16)


def in_low_halves(whole: np.ndarray, other: np.ndarray) -> bool:
    """Whether these are the other numbers, bit by bit."""
    return bool(
        np.array_equal(low_halves(whole).view(np.uint32), np.ascontiguousarray(other, np.float32).view(np.uint32))
    )
