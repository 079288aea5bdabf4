"""Docstrings in Google style, taken apart."""

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_ITEM = re.compile(r"^ {4}(?P<name>[\w*]+): (?P<text>.*)$")


@dataclass(frozen=True)
class Docstring:
    """What a docstring says.

    Attributes:
        text: What stands before the first section, paragraphs apart.
        items: By section ("Args", "Attributes", "Raises"), what is said of each name.
        returns: What "Returns" says, on one line; empty where it says nothing.
    """

    text: str
    items: dict[str, dict[str, str]] = field(default_factory=dict)
    returns: str = ""


def read(thing: object) -> Docstring:
    """The docstring of a class or function; one that it inherits is not its own."""
    lines = inspect.cleandoc(getattr(thing, "__doc__", None) or "").splitlines()
    starts = [number for number, line in enumerate(lines) if _SECTION.match(line)]
    ends = [*starts, len(lines)][1:]
    text = "\n".join(lines[: starts[0] if starts else len(lines)]).strip()
    bodies = {lines[start][:-1]: lines[start + 1 : end] for start, end in zip(starts, ends, strict=True)}
    returns = " ".join(line.strip() for line in bodies.pop("Returns", [])).strip()
    return Docstring(text, {section: _items(body) for section, body in bodies.items()}, returns)


def _items(lines: list[str]) -> dict[str, str]:
    """What is said of each name; a line that is indented further goes on with the one before."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        item = _ITEM.match(line)
        if item:
            name = item["name"]
            found[name] = item["text"]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found
