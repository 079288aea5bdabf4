"""How a part of a recipe is read: no key but its own, and no value of another type."""

from typing import Any

from bitsback.errors import RecipeError

STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}


def check(holds: bool, key: str, value: object, right: str) -> None:
    """Refuse a value of a key.

    Raises:
        RecipeError: It does not hold; the sentence says what would be right.
    """
    if not holds:
        raise RecipeError(f"{key} is {value!r}; it must be {right}")
