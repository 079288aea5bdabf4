"""Tables in Markdown, and their places in a document.

```
<!-- table: training_cost -->
(what the rows give)
<!-- end -->
```
"""

import re
from collections.abc import Callable, Iterator, Sequence

from bitsback.errors import DataError

_MARK = re.compile(r"<!-- (?:table: (?P<name>[\w-]+)|(?P<end>end)) -->")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def fill(text: str, make: Callable[[str], str]) -> str:
    """The document with every marked place holding what `make` gives for its name.

    Args:
        text: the document.
        make: a table's name to its Markdown.

    Raises:
        DataError: a mark has no partner.
    """
    parts, at = [], 0
    for name, start, end in places(text):
        parts += [text[at:start], "\n\n", make(name).strip(), "\n\n"]
        at = end
    return "".join([*parts, text[at:]])


def places(text: str) -> Iterator[tuple[str, int, int]]:
    """Each marked place: the table's name, where its text starts and where it ends.

    Raises:
        DataError: a mark has no partner.
    """
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if (opened is None) == bool(mark["end"]):
            raise DataError(
                f"The mark {mark[0]!r} has no partner; a table goes from '<!-- table: NAME -->' to '<!-- end -->'."
            )
        if opened is not None:
            yield opened["name"], opened.end(), mark.start()
        opened = mark if opened is None else None
    if opened is not None:
        raise DataError(f"The mark {opened[0]!r} has no partner; a table ends with '<!-- end -->'.")


def mean_and_half_range(values: Sequence[float], digits: int, scale: float = 1.0) -> str:
    """The mean ± half of the distance from the lowest to the highest, for instance `98.43 ± 0.05`.

    Args:
        values: one a seed, at least one; a single one has no ±.
        digits: after the point.
        scale: 100 for a share in percent.
    """
    middle = f"{scale * sum(values) / len(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ± {scale * (max(values) - min(values)) / 2:.{digits}f}"
