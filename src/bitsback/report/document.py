"""A report as a document: a heading, sections of figures and tables, where they come from; one self-contained HTML page."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bitsback.durable import replace_file
from bitsback.errors import RunError
from bitsback.report.examples import Kind
from bitsback.report.figures.canvas import Card
from bitsback.report.headline import Tile
from bitsback.report.provenance import Provenance
from bitsback.report.quantity import clean
from bitsback.report.tables import Table


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its anchor.
        title: Its heading.
        lead: What it answers, and what holds for all its figures.
        commands: What makes its rows, one after the other.
        cards: Figures.
        tables: Tables that are always open.
        folded: Tables behind a line to click on.
        kinds: Examples.
        missing: The figures that it has no rows for, as words; empty where all are there.
    """

    key: str
    title: str
    lead: str
    commands: tuple[str, ...]
    cards: tuple[Card, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()
    kinds: tuple[Kind, ...] = ()
    missing: str = ""

    @property
    def empty(self) -> bool:
        """Whether the journal has no row for it."""
        return not (self.cards or self.tables or self.kinds)


@dataclass(frozen=True)
class Document:
    """What a page shows.

    Attributes:
        title: Its heading; any text.
        lead: What it is about, one or two sentences; any text.
        sections: Its parts, in order; the empty ones stand together at the end and say which commands fill them.
        provenance: Where its figures come from.
        tiles: Headline numbers above the sections.
        promise: What the packed network promises, a sentence without its full stop; empty where nothing.
        cautions: What a reader is to be warned of, in sentences.
        advice: What is said above the empty sections.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    provenance: Provenance
    tiles: tuple[Tile, ...] = ()
    promise: str = ""
    cautions: tuple[str, ...] = ()
    advice: str = ""

    @property
    def there(self) -> tuple[Section, ...]:
        """The sections that have rows."""
        return tuple(section for section in self.sections if not section.empty)

    @property
    def absent(self) -> tuple[Section, ...]:
        """The sections that have none yet."""
        return tuple(section for section in self.sections if section.empty)


def write(document: Document, path: Path) -> None:
    """Writes the page: one HTML file that needs no network and no script.

    Args:
        document: What it shows.
        path: The file, replaced in one step; its folder is made.

    Raises:
        RunError: The file cannot be written.
    """
    text = render(document)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, [text.encode("utf-8")])
    except OSError as error:
        raise RunError(f"the report cannot be written to {str(path)!r}: {error.strerror or error}") from error


def render(document: Document) -> str:
    """Gives the page as text; the same document gives the same text."""
    home = files("bitsback.report")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_unbroken
    )
    return environment.from_string((home / "page.html").read_text("utf-8")).render(
        title=clean(document.title, 120) or "bitsback",
        style=Markup((home / "page.css").read_text("utf-8")),  # the package's own file
        document=document,
    )


def _unbroken(found: object) -> object:
    """Keeps a percent sign with its number at the end of a line."""
    return found.replace(" %", "\u00a0%") if type(found) is str else found
