"""JSON from a file that nobody vouches for: parsed within limits, then read field by field, each with its type."""

import json
import math
from reprlib import repr as quote
from typing import Any, TypeVar

from bitsback.errors import ArtifactError

T = TypeVar("T")
DEEPEST = 64
LONGEST_INTEGER = 20


def parse(data: bytes, where: str) -> object:
    """The value that the bytes say, in UTF-8.

    Args:
        data: the bytes.
        where: what to call them in an error.

    Raises:
        ArtifactError: not JSON or not UTF-8, a key twice in one object, a number that is not finite, an integer of more
            than 20 digits, or more than 64 levels.
    """
    try:
        found = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_short,
        )
        if b"\\u" in data:  # half of a surrogate pair is no text: it could not be printed
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where} is not the JSON it should be: {error}") from error
    if _deeper_than(found, DEEPEST):
        raise ArtifactError(f"{where} is nested more than {DEEPEST} levels deep")
    return found


def is_object(line: bytes) -> bool:
    """Whether a line is all of a JSON object: one that was cut off is not."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class Fields:
    """One JSON object, taken apart key by key; `close` refuses what nobody asked for."""

    def __init__(self, found: object, where: str) -> None:
        """Check that it is an object.

        Args:
            found: what `parse` gave.
            where: what to call it in an error.

        Raises:
            ArtifactError: it is something else.
        """
        if not isinstance(found, dict):
            raise ArtifactError(f"{where} is {quote(found)}, where a JSON object belongs")
        self.found: dict[str, Any] = found
        self.where = where
        self._asked: set[str] = set()

    def of(self, key: str, kind: type[T]) -> T:
        """The value of a key, of exactly this type: str, int, dict or list.

        Raises:
            ArtifactError: the key is missing or its value has another type.
        """
        self._asked.add(key)
        if key not in self.found:
            raise ArtifactError(f"{self.where} has no {key!r}")
        value = self.found[key]
        if type(value) is not kind:
            raise ArtifactError(f"{self.where} has {key} {quote(value)}, where {_WORDS[kind]} belongs")
        return value

    def number(self, key: str) -> float:
        """The value of a key, an integer or a float, as a float."""
        self._asked.add(key)
        if type(self.found.get(key)) is int:
            return float(self.of(key, int))
        return self.of(key, float)

    def absent(self, key: str) -> bool:
        """Whether the key is there and says null; a key that is missing is refused where it is read."""
        self._asked.add(key)
        return key in self.found and self.found[key] is None

    def each(self, key: str, kind: type[T]) -> tuple[T, ...]:
        """The elements of a list, each of exactly this type."""
        return tuple(self._element(key, element, kind) for element in self.of(key, list))

    def numbers(self, key: str) -> tuple[float, ...]:
        """The elements of a list of numbers, integers or floats, as floats."""
        elements = self.of(key, list)
        return tuple(float(self._element(key, each, int if type(each) is int else float)) for each in elements)

    def _element(self, key: str, element: object, kind: type[T]) -> T:
        if type(element) is not kind:
            raise ArtifactError(f"{self.where} has {quote(element)} in {key}, where {_WORDS[kind]} belongs")
        return element

    def objects(self, key: str) -> "list[Fields]":
        """The elements of a list of objects."""
        return [Fields(found, f"{self.where}'s {key}[{index}]") for index, found in enumerate(self.of(key, list))]

    def close(self) -> None:
        """Refuse keys that were not read.

        Raises:
            ArtifactError: there are some.
        """
        unknown = sorted(self.found.keys() - self._asked)
        if unknown:
            raise ArtifactError(f"{self.where} has {quote(unknown[0])}, which this version does not know")


_WORDS = {str: "a text", int: "an integer", float: "a number", dict: "an object", list: "a list", bool: "true or false"}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is not a finite number")
    return value


def _short(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"an integer of {len(text)} characters")
    return int(text)


def _deeper_than(value: object, levels: int) -> bool:
    """Whether containers stand in one another more often than that (without recursion: the value may be hostile)."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[object] = []
        for each in layer:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        if not inner:
            return False
        layer = inner
    return True
