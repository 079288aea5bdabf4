"""Whether an engine draws what PyTorch draws: of programs that answer otherwise in each call, moments are compared."""

import math

import numpy as np

from bitsback.errors import ExportError
from bitsback.lower.run.onnx import Outputs

INPUTS = 4
"""Draws are compared on so few inputs, for there must be many of them."""
_DRAWS = 400
_ERRORS = 8  # standard errors: of some dozens of numbers from 20 calls, one in millions is as far off by chance
_ROUNDING = 1e-4
_DEVIATIONS = 5  # standard errors of a variance, as the draws themselves show them: dropout's are far from normal


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
        ExportError: Each call draws the same, or the variance is another than chance explains.
    """
    if _alike(found) and not _alike(expected):
        raise ExportError(
            f"{engine} draws the same in each call, and PyTorch does not; the export has lost uncertainty"
        )
    (right, error), (got, other) = _variance(expected), _variance(found)
    if abs(got - right) > _DEVIATIONS * math.hypot(error, other) + _ROUNDING * right:
        raise ExportError(
            f"the spread over draws is {math.sqrt(got):.3g} on average under {engine} and {math.sqrt(right):.3g} in PyTorch; "
            "the export has lost uncertainty"
        )


def _alike(calls: np.ndarray) -> bool:
    return all(np.array_equal(each, calls[0]) for each in calls)


def _variance(calls: np.ndarray) -> tuple[float, float]:
    """Over all draws, on average over answers, and its standard error."""
    draws = calls.reshape(-1, *calls.shape[2:]).astype(np.float64)
    squares = np.square(draws - draws.mean(0)).mean((1, 2))
    return float(squares.mean()), float(squares.std() / math.sqrt(len(squares)))


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
