"""One self-contained HTML page from a run's journal: nothing is fetched, nothing runs."""

from collections.abc import Iterable
from pathlib import Path

from bitsback.measure.journal import Measurement
from bitsback.report import document, headline
from bitsback.report.caution import cautions
from bitsback.report.document import Document
from bitsback.report.evidence import newest
from bitsback.report.promise import promise
from bitsback.report.provenance import provenance
from bitsback.report.sections import sections

_ADVICE = (
    "The stages of a run come in this order: fit, compress, evaluate, pack, measure; then the report is written anew."
)


def write(journal_rows: Iterable[Measurement], path: Path, *, title: str) -> None:
    """Writes the report: one HTML file that needs no network and no script.

    Args:
        journal_rows: The journal, oldest first; for each (what, of) the last row counts.
        path: The file, replaced in one step; its folder is made.
        title: The page's heading; any text.

    Raises:
        RunError: The file cannot be written.
    """
    document.write(_document(journal_rows, title), path)


def render(journal_rows: Iterable[Measurement], *, title: str) -> str:
    """Gives the report as text; the same rows give the same text.

    Args:
        journal_rows: The journal, oldest first.
        title: The page's heading; any text.
    """
    return document.render(_document(journal_rows, title))


def _document(journal_rows: Iterable[Measurement], title: str) -> Document:
    rows = newest(journal_rows)
    kept = promise(rows)
    return Document(
        title=title,
        lead=headline.lead(rows),
        sections=tuple(sections(rows)),
        provenance=provenance(rows),
        tiles=tuple(headline.tiles(rows)),
        promise="" if kept is None else kept.sentence,
        cautions=tuple(cautions(rows)),
        advice=_ADVICE,
    )
