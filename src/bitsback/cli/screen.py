"""What a command shows: progress on stderr, results on stdout, as text or as JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bitsback.run.watcher import Step, Watcher

if TYPE_CHECKING:
    from bitsback.measure.journal import Measurement
    from bitsback.posterior.fit import Progress


@contextmanager
def watching(quiet: bool) -> Iterator[Watcher]:
    """Shows on stderr what is being done and how far it is: a bar in a terminal, else lines.

    Args:
        quiet: Show nothing.

    Yields:
        Who is to be told.
    """
    if quiet:
        yield Watcher()
        return
    if not sys.stderr.isatty():
        yield Watcher(_line, _begun(), _lines)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Bars(*columns, console=console, transient=True)
    try:
        yield Watcher(
            lambda words: console.print(words, style="dim", markup=False, highlight=False), _steps(bars), _bar(bars)
        )
    finally:
        bars.stop()


def _line(words: str) -> None:
    print(words, file=sys.stderr)


def _begun() -> Callable[[Step], None]:
    """A line for each part of a stage, when it begins."""
    before = [""]

    def tell(step: Step) -> None:
        if step.words != before[0]:
            before[0] = step.words
            _line(step.words)

    return tell


def _steps(bars: Any) -> Callable[[Step], None]:
    tasks: list[Any] = []

    def tell(step: Step) -> None:
        if step.done == step.steps:
            while tasks:
                bars.remove_task(tasks.pop())
            bars.stop()
            return
        if not tasks:
            tasks.append(bars.add_task(step.words, total=step.steps))
            bars.start()
        bars.update(tasks[0], completed=step.done, total=step.steps, description=step.words)

    return tell


def _lines(progress: "Progress") -> None:
    tenth = max(progress.steps // 10, 1)
    if progress.step // tenth > (progress.step - 10) // tenth:
        print(f"step {progress.step} of {progress.steps}, {_said(progress)}", file=sys.stderr)


def _bar(bars: Any) -> Callable[["Progress"], None]:
    tell = _steps(bars)
    return lambda progress: tell(Step(_said(progress), progress.step, progress.steps))


def _said(progress: "Progress") -> str:
    return f"epoch {progress.epoch + 1}, nll {progress.nll:.3f}"


def show(result: object, *, as_json: bool, text: Callable[[], str]) -> None:
    """Prints a command's result.

    Args:
        result: What `--json` prints.
        as_json: Whether it was asked for.
        text: What is printed otherwise.
    """
    print(json.dumps(result, ensure_ascii=False, allow_nan=False) if as_json else text())


def warn(words: str) -> None:
    """Prints a warning on stderr."""
    print(f"warning: {words}", file=sys.stderr)


def draw(*renderables: Any) -> None:
    """Prints what Rich can draw, as wide as the terminal; where there is none, wide enough for tables."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    for each in renderables:
        console.print(each)


def plain(rows: "Sequence[Measurement]") -> list[dict[str, Any]]:
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
