"""The journal: every figure as one line of JSON that says what was measured, of what, by which code, where.

```
Measurement ──append──► journal.jsonl ──read──► [Measurement] ──latest──► what a report or a table shows
```

The file only grows. A line is written, flushed and synced before `append` returns; a line that a killed process left
half-written at the end is passed over by `read` and removed by the next `append`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.durable import append
from bitsback.errors import RunError
from bitsback.measure.provenance import Provenance
from bitsback.strict_json import is_object

TIMED = ("latency", "latency_ratio")
"""Figures that are a device's own."""
Scalar = str | float | int | bool


@dataclass(frozen=True)
class Measurement:
    """One figure, or one series of figures, with everything needed to believe it and to make it again.

    Attributes:
        what: the name of the figure, from the journal's vocabulary (`accuracy`, `latency`, `reliability`, …).
        value: the figure; None where it is undefined (no wrong answer to rank, say) or where `series` holds it.
        unit: `share`, `nats`, `s`, `bytes`, `x` (a ratio), …; empty for a count.
        of: what was measured: stage, form, sparsity, split, dataset, … by name.
        repeats: how many repetitions `value` summarizes.
        spread: the lowest and highest of the repetitions, or their quartiles for a latency; None for a single one.
        series: lists by name, for a curve or a histogram.
        device: the machine's name, with its thread count where that matters.
        command: what was called.
        seed: the seed of the run, None where nothing was drawn.
        commit: the git commit of the code, empty outside a checkout.
        dirty: whether that checkout had changes (outside `results/`); None outside a checkout.
        versions: Python's and the libraries' versions.
        time: when, UTC, ISO 8601.
    """

    what: str
    value: float | None
    unit: str
    of: Mapping[str, Scalar] = field(default_factory=dict)
    repeats: int = 1
    spread: tuple[float, float] | None = None
    series: Mapping[str, Sequence[Any]] | None = None
    device: str = ""
    command: str = ""
    seed: int | None = None
    commit: str = ""
    dirty: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    time: str = ""


@dataclass(frozen=True)
class Journal:
    """The rows of one file; the file need not exist yet."""

    path: Path

    def append(self, rows: Iterable[Measurement]) -> None:
        """Write the rows at the end, all or none, and sync them to the disk.

        Raises:
            RunError: a row holds what JSON cannot (a NaN, an infinity, an object), or the file cannot be written.
        """
        text = "".join(to_line(row) + "\n" for row in rows).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            append(self.path, text, is_object)
        except OSError as error:
            raise RunError(f"the journal {self.path} cannot be written: {error.strerror}") from error

    def read(self) -> list[Measurement]:
        """All complete rows, oldest first; none if there is no file.

        Raises:
            RunError: a line before the last is not a row, or the file cannot be read.
        """
        *lines, tail = self._content().split(b"\n")
        if is_object(tail):
            lines.append(tail)
        return [_row(line, f"line {number} of {self.path}") for number, line in enumerate(lines, 1) if line.strip()]

    def cut_line(self) -> int | None:
        """The number of the last line if it is cut off, which `read` passes over; None where every line is whole.

        Raises:
            RunError: the file cannot be read.
        """
        *lines, tail = self._content().split(b"\n")
        return None if not tail.strip() or is_object(tail) else len(lines) + 1

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise RunError(f"the journal {self.path} cannot be read: {error.strerror}") from error


def stamp(rows: Iterable[Measurement], origin: Provenance) -> list[Measurement]:
    """The rows with their origin filled in; a device or a seed that a row already names stays."""
    return [
        replace(
            row,
            device=row.device or origin.device,
            command=origin.command,
            seed=origin.seed if row.seed is None else row.seed,
            commit=origin.commit,
            dirty=origin.dirty,
            versions=origin.versions,
            time=origin.time,
        )
        for row in rows
    ]


def to_line(row: Measurement) -> str:
    """The row as one line of JSON, without the line's end.

    Raises:
        RunError: the row holds what JSON cannot say (a NaN, an infinity, an object).
    """
    try:
        return json.dumps(asdict(row), allow_nan=False, default=_plain, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise RunError(f"the measurement {row.what!r} cannot be written: {error}; undefined is None") from error


def latest(rows: Iterable[Measurement], *, by_seed: bool = False, by_device: bool = False) -> list[Measurement]:
    """The last row for each (what, of), in the order in which these first appeared.

    On how many `samples` a figure rests does not make it another figure: the newest counts.

    Args:
        rows: oldest first, as `Journal.read` gives them.
        by_seed: keep the last row of every seed, for figures that are summarized over seeds.
        by_device: keep the last latency of every device, as another device's does not take its place.
    """
    newest: dict[object, Measurement] = {}
    for row in rows:
        of = frozenset((key, found) for key, found in row.of.items() if key != "samples")
        device = row.device if by_device and row.what in TIMED else None
        newest[row.what, of, row.seed if by_seed else None, device] = row
    return list(newest.values())


def _plain(value: object) -> object:
    """A numpy number or array as JSON's own.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r} is no number, text or list")


def _row(line: str | bytes, place: str) -> Measurement:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise RunError(f"in the journal, {place} is not JSON: {error}") from error
    if not isinstance(found, dict) or not _fits(found):
        raise RunError(f"in the journal, {place} is not a measurement of this version: {line[:80]!r}")
    if found.get("spread") is not None:
        found["spread"] = tuple(found["spread"])
    return Measurement(**found)


def _fits(found: dict[str, Any]) -> bool:
    """Whether the keys are a row's and the values that are computed with have the right type."""
    spread, value = found.get("spread"), found.get("value")
    return (
        {"what", "value", "unit"} <= found.keys() <= {each.name for each in fields(Measurement)}
        and isinstance(found["what"], str)
        and isinstance(found.get("of", {}), dict)
        and isinstance(found.get("series") or {}, dict)
        and (value is None or isinstance(value, int | float))
        and (spread is None or (isinstance(spread, list) and len(spread) == 2))
    )
