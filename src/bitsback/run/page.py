"""The last stage: the run's figures as one page. No torch is needed."""

from pathlib import Path

from bitsback.errors import RunError
from bitsback.report import page
from bitsback.run.folder import RunFolder


def write_report(run: RunFolder) -> Path:
    """Write the run's report from its journal.

    Returns:
        The page.

    Raises:
        RunError: The journal has no whole row although it has a line, or the page cannot be written.
    """
    rows, cut = run.rows(), run.cut_line()
    if cut is not None and not rows:
        raise RunError(f"{run.file('journal')} holds no whole row: line {cut} is cut off, and there is no other")
    page.write(rows, run.file("report"), title=run.path.resolve().name)
    return run.file("report")


def warnings(run: RunFolder) -> list[str]:
    """What a reader of the run's figures should know of its journal."""
    cut = run.cut_line()
    return [] if cut is None else [f"line {cut} of {run.file('journal')} is cut off and was left out"]
