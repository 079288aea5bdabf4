"""One self-contained HTML page from a run's journal: nothing is fetched, nothing runs."""

from collections.abc import Callable, Iterable
from pathlib import Path

from markupsafe import Markup

from bitsback.measure.journal import Measurement
from bitsback.report import document, examples, headline, listings, tables
from bitsback.report.caution import cautions
from bitsback.report.document import Document, Section
from bitsback.report.evidence import Rows, newest
from bitsback.report.figures import layers, robustness, sparsity, training, trust, weights
from bitsback.report.figures.canvas import Card
from bitsback.report.promise import promise
from bitsback.report.provenance import provenance
from bitsback.report.tables import Table


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
    about, kept = headline.about(rows), promise(rows)
    beside = "The headline is the <strong>{}</strong> network beside the dense one. In every bar, shorter is better."
    return Document(
        title=title,
        lead=Markup(beside).format(about.name) if about else Markup("Nothing is measured yet."),
        sections=tuple(sections(rows)),
        provenance=provenance(rows),
        tiles=tuple(headline.tiles(rows)),
        promise="" if kept is None else kept.sentence,
        cautions=tuple(cautions(rows)),
    )


def sections(rows: Rows) -> list[Section]:
    """Gives every section of the page in its order, the empty ones too: these say which command fills them."""
    return [make(rows) for make in _SECTIONS]


def _cost(rows: Rows) -> Section:
    return Section(
        "cost",
        "Cost",
        "What it takes to store it and to run it, beside the dense network.",
        "bitsback measure RUN",
        tables=_there(tables.cost(rows)),
    )


def _quality(rows: Rows) -> Section:
    return Section(
        "quality",
        "Quality",
        "What was gained and lost on the way, accuracy and calibration together.",
        "bitsback evaluate RUN",
        tables=_there(tables.quality(rows)),
    )


def _sparsity(rows: Rows) -> Section:
    return Section(
        "sparsity",
        "Sparsity",
        "How far it can be pruned before it breaks, and whether it still knows what it does not know. The axis is "
        "logarithmic in the weights that are kept, so that 90, 95 and 98 % stay apart.",
        "bitsback compress RUN",
        tuple(sparsity.cards(rows)),
        folded=tuple(listings.sweep(rows)),
    )


def _layers(rows: Rows) -> Section:
    return Section(
        "layers",
        "Layers",
        "Where the parameters and the bytes are, and where pruning took them.",
        "bitsback compress RUN",
        tuple(layers.cards(rows)),
        folded=_there(listings.every_layer(rows)),
    )


def _weights(rows: Rows) -> Section:
    cards = tuple(weights.cards(rows))
    return Section(
        "weights",
        "Weights",
        "What the posterior believes about the weights, and what it was told to believe.",
        "bitsback fit RUN",
        cards,
        missing=_missing(cards, {"weights": "the weights", "snr": "signal-to-noise ratios", "prior": "the prior"}),
    )


def _trust(rows: Rows) -> Section:
    cards = tuple(trust.cards(rows))
    wanted = {"reliability": "the reliability diagram", "risk-coverage": "risk against coverage"}
    wanted |= {f"uncertainty-{score}": f"{score} uncertainty" for score in ("total", "knowledge")}
    return Section(
        "trust",
        "Trust",
        "Whether its confidence is right, and whether it notices what it does not know.",
        "bitsback evaluate RUN",
        cards,
        missing=_missing(cards, wanted),
    )


def _robustness(rows: Rows) -> Section:
    return Section(
        "robustness",
        "Robustness",
        "What happens when the inputs get worse.",
        "bitsback evaluate RUN",
        tuple(robustness.cards(rows)),
    )


def _examples(rows: Rows) -> Section:
    return Section(
        "examples",
        "Examples",
        "Single inputs with its answer and its doubt.",
        "bitsback evaluate RUN",
        kinds=tuple(examples.kinds(rows)),
    )


def _training(rows: Rows) -> Section:
    return Section(
        "training",
        "Training",
        "How the fit went.",
        "bitsback fit RUN",
        tuple(training.cards(rows)),
        _there(tables.facts(rows)),
    )


def _missing(cards: Iterable[Card], wanted: dict[str, str]) -> str:
    drawn = {card.key for card in cards}
    return ", ".join(name for key, name in wanted.items() if key not in drawn)


def _there(table: Table | None) -> tuple[Table, ...]:
    return () if table is None else (table,)


_SECTIONS: tuple[Callable[[Rows], Section], ...] = (
    _cost,
    _quality,
    _sparsity,
    _trust,
    _examples,
    _robustness,
    _layers,
    _weights,
    _training,
)
