"""How a part of a recipe is read: no key but its own, and no value of another type."""

from typing import Any

STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}
