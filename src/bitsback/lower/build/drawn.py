"""Whether an engine draws what PyTorch draws: of programs that answer otherwise in each call, moments are compared."""

import numpy as np

from bitsback.errors import ExportError
from bitsback.lower.run.onnx import Outputs

INPUTS = 4
"""Draws are compared on so few inputs, for there must be many of them."""
_DRAWS = 400
_ERRORS = 8  # standard errors: of some dozens of numbers from 20 calls, one in millions is as far off by chance
_ROUNDING = 1e-4
_RATIO = 1.25  # seven standard errors of a standard deviation over 400 draws


def calls(count: int) -> int:
    """How many calls are compared of a program that makes `count` draws in each."""
    return max(-(-_DRAWS // count), 8)


def check_spread(engine: str, expected: np.ndarray, found: np.ndarray) -> None:
    """Refuse an engine whose draws are alike, or spread otherwise.

    Args:
        engine: What an error calls it.
        expected: PyTorch's answers `[K, S, B, C]`, of K calls of S draws each.
        found: The engine's.

    Raises:
        ExportError: The same was drawn twice, or the standard deviation is another.
    """
    draws = found.reshape(-1, *found.shape[2:])
    if len(np.unique(draws.reshape(len(draws), -1), axis=0)) < len(draws):
        raise ExportError(f"{engine} draws the same twice where PyTorch does not; the export has lost uncertainty")
    right, got = (float(np.sqrt(each.reshape(-1, *each.shape[2:]).var(0).mean())) for each in (expected, found))
    if not right / _RATIO <= got <= right * _RATIO:
        raise ExportError(
            f"the spread over draws is {got:.3g} on average under {engine} and {right:.3g} in PyTorch; the export has lost "
            "uncertainty"
        )


def check_means(engine: str, expected: list[Outputs], found: list[Outputs]) -> float:
    """Refuse an engine whose answers are others on average over calls.

    Args:
        engine: What an error calls it.
        expected: PyTorch's answers, call by call.
        found: The engine's.

    Returns:
        The largest absolute difference of a mean over the calls.

    Raises:
        ExportError: A difference is larger than chance explains.
    """
    largest = 0.0
    for name, *both in zip(Outputs._fields, zip(*expected, strict=True), zip(*found, strict=True), strict=True):
        right, got = (np.stack(each).astype(np.float64) for each in both)
        error = np.sqrt((right.var(0, ddof=1) + got.var(0, ddof=1)) / len(right))
        difference = np.abs(right.mean(0) - got.mean(0))
        if not np.all(difference <= _ERRORS * error + _ROUNDING * (1 + np.abs(right.mean(0)))):
            raise ExportError(
                f"{engine}'s output {name!r} differs from PyTorch's by up to {difference.max():.3g} on average over "
                f"{len(right)} calls; chance explains {_ERRORS * error.max():.3g}"
            )
        largest = max(largest, float(difference.max()))
    return largest
