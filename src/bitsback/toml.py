"""Plain data as TOML text; `tomllib` of the standard library reads it back."""

import json
import math
import re
from collections.abc import Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, object]) -> str:
    """Write a table of numbers, booleans, texts, lists of these, and tables.

    Args:
        table: What to write; a value of None is left out, since TOML has no word for it.

    Returns:
        The text, values before tables, in the order given.

    Raises:
        TypeError: A value is of another type.
    """
    return "\n".join(_table("", table)).lstrip("\n") + "\n"


def _table(path: str, table: Mapping[str, object]) -> list[str]:
    values = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    lines = ["", f"[{path}]"] if path and (values or not tables) else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    for key, inner in tables.items():
        lines += _table(f"{path}.{_key(key)}" if path else _key(key), inner)
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(each) for each in value)}]"
    raise TypeError(f"{type(value).__name__} {value!r} has no TOML form")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
