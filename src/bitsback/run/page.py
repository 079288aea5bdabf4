"""The last stage: the run's figures as one page. No torch is needed."""

from pathlib import Path

from bitsback.report import page
from bitsback.run.folder import RunFolder


def write_report(run: RunFolder) -> Path:
    """Write the run's report from its journal.

    Returns:
        The page.

    Raises:
        RunError: It cannot be written.
    """
    page.write(run.rows(), run.file("report"), title=run.path.resolve().name)
    return run.file("report")
