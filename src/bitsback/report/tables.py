"""The tables: what the network costs, how good it is, both beside the dense network; for the page and the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from bitsback.measure.journal import Measurement
from bitsback.report.caution import cautions
from bitsback.report.evidence import (
    Rows,
    Variant,
    devices,
    factor,
    finite,
    is_imported,
    newest,
    number,
    on,
    outsiders,
    select,
    settled,
    value,
    variant,
    variants,
)
from bitsback.report.promise import promise
from bitsback.report.quantity import QUALITY, Quantity, between, clean, quantity, shown, times

_WORDS = {"file_bytes": ("smaller", "larger"), "latency": ("faster", "slower"), "kept_parameters": ("fewer", "more")}
_ARROWS = {"higher": "\u00a0↑", "lower": "\u00a0↓", "": ""}


@dataclass(frozen=True)
class Cell:
    """A figure in a table.

    Attributes:
        text: The figure, or words.
        detail: Small print under it: how it compares.
        spread: Small print under it: the range of its repetitions.
        best: Whether no other in its row is better.
    """

    text: str
    detail: str = ""
    spread: str = ""
    best: bool = False


class Line(NamedTuple):
    """A row of a table.

    Attributes:
        name: What its figures are.
        cells: The figures.
        note: What they say, in words; small print across the whole table.
    """

    name: str
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A figure of every network.

    Attributes:
        what: The figure.
        rows: Where it is looked for.
        of: Under which circumstances it was measured.
        device: On which of several devices, in words.
    """

    what: str
    rows: Rows
    of: Mapping[str, float | None] = field(default_factory=dict)
    device: str = ""

    @property
    def name(self) -> str:
        """What stands above it."""
        batch = self.of.get("batch")
        return quantity(self.what).name + (f", batch {batch:g}" if batch else "") + self.device

    def row(self, which: Variant) -> Measurement | None:
        """Its row of a network."""
        return value(self.rows, self.what, which, **self.of)


@dataclass(frozen=True)
class Table:
    """A table: the names of its columns, that of the rows' names first, and rows."""

    title: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[Line, ...]


def cost(rows: Rows) -> Table | None:
    """Sets size, latency and weights of each network beside the dense one, with its own quality."""
    found = settled(rows)
    wanted = [Column("file_bytes", found), *_latencies(found)]
    wanted += [Column(what, found) for what in ("kept_parameters", "accuracy", "rmse", "nll")]
    networks = variants(row for row in found if row.what in {"file_bytes", "latency"} and finite(row))
    columns = [column for column in wanted if any(column.row(one) for one in networks)]
    if not networks:
        return None
    body = [Line(which.name, tuple(_cost_cell(column, which) for column in columns)) for which in networks]
    return Table(
        "Cost, beside the dense network",
        "A latency is a median with its quartiles; how many times faster is a median too, over rounds that call each network "
        "once. Quality is that of the very network that was timed.",
        ("network", *(column.name for column in columns)),
        tuple(body),
    )


def _latencies(rows: Rows) -> list[Column]:
    """Gives a column for each batch on each device; the device is named where there are several."""
    several = len(devices(rows)) > 1
    return [
        Column("latency", there, {"batch": batch}, f", {clean(device, 60) or 'an unnamed device'}" if several else "")
        for device in devices(rows)
        for there in (on(rows, device),)
        for batch in batches(there)
    ]


def quality(rows: Rows) -> Table | None:
    """Sets every quality metric of every network side by side: none is shown alone."""
    found = [row for row in settled(rows) if row.what in QUALITY and finite(row)]
    networks, strange = variants(found), outsiders(rows)
    present = [what for what in QUALITY if any(row.what == what for row in found)]
    if not networks:
        return None
    return Table(
        "Quality on the test split",
        "All metrics together, because each can be bought with another. An arrow points to where better is, and bold marks "
        "the best of a row." + (f" Out of distribution (OOD): {strange}." if strange else ""),
        ("metric", *(which.name for which in networks)),
        tuple(_quality_line(found, what, networks) for what in present),
    )


def facts(rows: Rows) -> Table | None:
    """Lists what was measured of training and of the posterior besides the curves."""
    names = (
        "imported_parameters",
        "epoch_seconds",
        "kl",
        "code_length",
        "coded_bytes",
        "temperature",
        "deterministic_parameters",
    )
    found = [row for row in settled(rows) if row.what in names and finite(row)]
    several = len(variants(found)) > 1
    body = tuple(
        Line(
            quantity(row.what).title + (f", {variant(row).name or 'network'}" if several else ""),
            (_cell(row),),
            quantity(row.what).meaning,
        )
        for name in names
        for row in found
        if row.what == name
    )
    title = "The posterior in numbers" if is_imported(rows) else "Training in numbers"
    return Table(title, "", ("figure", "value"), body) if body else None


def batches(rows: Rows) -> list[float | None]:
    """Gives the batch sizes that latencies were measured at; None for a latency that does not say."""
    found = {number(row, "batch") for row in select(rows, "latency") if finite(row)}
    return sorted(found, key=lambda batch: batch or 0.0)


def summary(rows: Iterable[Measurement]) -> Group:
    """Gives what the terminal shows of a journal: two tables, the promise and cautions, or a line that says what is missing.

    Args:
        rows: The journal, oldest first.
    """
    told = newest(rows)
    found = [table for table in (cost(told), quality(told)) if table is not None]
    if not found:
        return Group(Text("Nothing is measured yet: `bitsback evaluate RUN` and `bitsback measure RUN` do it."))
    kept = promise(told)
    notes = [] if kept is None else [Text(f"The promise: {kept.sentence}.")]
    doubts = [Text(words, style="bold") for words in cautions(told)]
    return Group(*(on_terminal(table) for table in found), *notes, *doubts)


def on_terminal(table: Table) -> RichTable:
    """Gives a table as the terminal shows it: without its caption and notes."""
    drawn = RichTable(title=Text(table.title), title_justify="left", header_style="bold", pad_edge=False)
    for index, name in enumerate(table.head):
        drawn.add_column(Text(name), justify="left" if index == 0 else "right")
    for line in table.rows:
        texts = [Text(f"{cell.text}\n{cell.detail}".strip(), style="bold" if cell.best else "") for cell in line.cells]
        drawn.add_row(Text(line.name), *texts)
    return drawn


def _cost_cell(column: Column, which: Variant) -> Cell:
    row, what = column.row(which), column.what
    if row is None:
        return Cell("–")
    less = None if what in QUALITY else factor(column.rows, what, which, **column.of)
    return replace(_cell(row), detail=times(less, *_WORDS[what])) if less else _cell(row)


def _quality_line(rows: Rows, what: str, networks: Sequence[Variant]) -> Line:
    named = quantity(what)
    found = [value(rows, what, which) for which in networks]
    top = best([row.value if row else None for row in found], named)
    cells = [replace(_cell(row) if row else Cell("–"), best=index in top) for index, row in enumerate(found)]
    return Line(named.title + _ARROWS[named.better], tuple(cells), named.meaning)


def best(values: Sequence[float | None], named: Quantity) -> set[int]:
    """Gives the places of the best values, none where there is nothing to compare or all read the same."""
    there = [found for found in values if found is not None]
    if len(there) < 2 or not named.better:
        return set()
    top = shown(max(there) if named.better == "higher" else min(there), named.kind)
    places = {index for index, found in enumerate(values) if found is not None and shown(found, named.kind) == top}
    return set() if len(places) == len(there) else places


def _cell(row: Measurement) -> Cell:
    named = quantity(row.what)
    known = row.spread is not None and row.repeats > 1 and all(isinstance(one, int | float) for one in row.spread)
    return Cell(shown(row.value, named.kind), spread=between(row.spread, named.kind) if row.spread and known else "")
