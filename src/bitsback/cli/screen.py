"""What a command shows: progress on stderr, results on stdout, as text or as JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from bitsback.measure.journal import Measurement

if TYPE_CHECKING:
    from bitsback.posterior.fit import Progress
    from bitsback.run.chain import Watcher


@contextmanager
def watching(quiet: bool) -> Iterator["Watcher"]:
    """Shows what is being done and a bar for each training, on stderr; nothing where `quiet`.

    Yields:
        Who is to be told.
    """
    from bitsback.run.chain import Watcher

    if quiet:
        yield Watcher(lambda _: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield Watcher(lambda words: console.print(words, style="dim", markup=False, highlight=False), _bar(bars))


def _bar(bars: Any) -> Callable[["Progress"], None]:
    task = bars.add_task("training", total=None, visible=False)

    def watch(progress: "Progress") -> None:
        said = f"epoch {progress.epoch + 1}, nll {progress.nll:.3f}"
        done = progress.step < progress.steps
        bars.update(task, completed=progress.step, total=progress.steps, description=said, visible=done)

    return watch


def show(result: object, *, as_json: bool, text: Callable[[], str]) -> None:
    """Prints a command's result.

    Args:
        result: What `--json` prints.
        as_json: Whether it was asked for.
        text: What is printed otherwise.
    """
    typer.echo(json.dumps(result, ensure_ascii=False, allow_nan=False) if as_json else text())


def draw(*renderables: Any) -> None:
    """Prints what Rich can draw, as wide as the terminal; where there is none, wide enough for tables."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    for each in renderables:
        console.print(each)


def plain(rows: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Rows of the journal as `--json` prints them: the figures, without series and provenance."""
    return [
        {"what": row.what, "value": row.value, "unit": row.unit, "of": dict(row.of), "spread": row.spread}
        for row in rows
        if row.series is None
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left and the others to the right, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join((first, *others)).rstrip()

    return "\n".join(line(row) for row in (head, *rows))
