"""What a setting may be, and the sentence for one that is something else."""

import math
import os
from collections.abc import Sequence
from typing import TypeGuard

from bitsback.errors import RecipeError

_SEEDS = 2**63  # as many as TOML's numbers and PyTorch's generators know


def check_whole(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number of at least `least`.

    Raises:
        RecipeError: It is not.
    """
    if not (is_number(value) and isinstance(value, int) and value >= least):
        raise RecipeError(f"{name} is {value!r}; it must be a whole number, at least {least}")


def check_seed(value: object) -> None:
    """Refuse what can be no seed.

    Raises:
        RecipeError: It is no whole number from 0 to below 2^63.
    """
    if not (is_number(value) and isinstance(value, int) and 0 <= value < _SEEDS):
        raise RecipeError(f"seed is {value!r}; it must be a whole number from 0 to below 2^63")


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_positive(name: str, value: object) -> None:
    """Refuse what is no finite number above 0.

    Raises:
        RecipeError: It is not.
    """
    if not (is_number(value) and 0 < value < math.inf):
        raise RecipeError(f"{name} is {value!r}; it must be a positive number")


def check_path(name: str, value: object) -> None:
    """Refuse what names no file or folder.

    Raises:
        RecipeError: It does not.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value) or "\0" in str(value):
        raise RecipeError(f"{name} is {value!r}; it must be a path")


def check_among(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse what is none of the words that a setting knows.

    Raises:
        RecipeError: It is not.
    """
    if not any(value is each or (isinstance(value, str) and value == each) for each in allowed):
        raise RecipeError(f"{name} is {value!r}; it must be one of {', '.join(map(str, allowed))}")
