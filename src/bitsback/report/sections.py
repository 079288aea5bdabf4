"""What the page says, part by part: its figures and tables, and the commands that make the rows they are drawn from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bitsback.report import examples, listings, tables
from bitsback.report.document import Section
from bitsback.report.evidence import Rows, is_imported, is_regression, select, shipped
from bitsback.report.figures import layers, robustness, sparsity, training, trust, weights
from bitsback.report.figures.canvas import Card
from bitsback.report.quantity import clean
from bitsback.report.tables import Table


def sections(rows: Rows) -> list[Section]:
    """Gives every section that a run of this kind has, in order, the empty ones too: these say which commands fill them."""
    made = [_section(_ORIGIN if part.key == "training" and is_imported(rows) else part, rows) for part in _PARTS]
    return [one for one in made if not (one.empty and one.key == "examples" and is_regression(rows))]


@dataclass(frozen=True)
class _Part:
    """How a section is made of rows; `commands` are those of `bitsback`, `wanted` names the figures that it should have."""

    key: str
    title: str
    lead: str
    commands: tuple[str, ...]
    remark: Callable[[Rows], str] = lambda _: ""
    cards: Callable[[Rows], Iterable[Card]] = lambda _: ()
    tables: Callable[[Rows], Iterable[Table]] = lambda _: ()
    folded: Callable[[Rows], Iterable[Table]] = lambda _: ()
    kinds: Callable[[Rows], Iterable[examples.Kind]] = lambda _: ()
    wanted: Callable[[Rows], Mapping[str, str]] = field(default=lambda _: {})


def _section(part: _Part, rows: Rows) -> Section:
    cards = tuple(part.cards(rows))
    drawn = {card.key for card in cards}
    return Section(
        part.key,
        part.title,
        f"{part.lead} {part.remark(rows)}".strip(),
        tuple(f"bitsback {command} RUN" for command in part.commands),
        cards,
        tuple(part.tables(rows)),
        tuple(part.folded(rows)),
        tuple(part.kinds(rows)),
        ", ".join(name for key, name in part.wanted(rows).items() if key not in drawn),
    )


def _one(table: Callable[[Rows], Table | None]) -> Callable[[Rows], list[Table]]:
    """Makes a list of a table that may not be there."""
    return lambda rows: [found for found in (table(rows),) if found is not None]


def _posterior(rows: Rows) -> dict[str, str]:
    point = any(row.of.get("inference") == "point" for row in select(rows, "loss_curve"))
    if is_imported(rows):
        return {"weights": "the weights", "snr": "signal-to-noise ratios"}
    return {"weights": "the weights"} | ({} if point else {"snr": "signal-to-noise ratios", "prior": "the prior"})


def _origin(rows: Rows) -> str:
    of = select(rows, "imported_parameters")[-1].of
    own = of.get("own")
    kept = f" It says nothing of {own:,} parameters, which keep the network's own values." if own else ""
    return f"The posterior is {clean(of.get('source'))}, from the file {clean(of.get('file'))}.{kept}"


def _scores(rows: Rows) -> dict[str, str]:
    which = shipped(select(rows, "uncertainty_histogram"))
    scores = [score for score in trust.SCORES if which is None or which.form != "point" or score == "total"]
    reliability = {} if is_regression(rows) else {"reliability": "the reliability diagram"}
    uncertainties = {f"uncertainty-{score}": f"{score} uncertainty" for score in scores}
    return {**reliability, "risk-coverage": "risk against coverage", **uncertainties}


_PARTS = (
    _Part(
        "cost",
        "Cost",
        "What it takes to store it and to run it, beside the dense network.",
        ("pack", "measure"),
        tables=_one(tables.cost),
    ),
    _Part(
        "quality",
        "Quality",
        "What was gained and lost on the way, accuracy and calibration together.",
        ("evaluate",),
        tables=_one(tables.quality),
    ),
    _Part(
        "sparsity",
        "Sparsity",
        "How far it can be pruned before it breaks, and whether it still knows what it does not know.",
        ("evaluate",),
        remark=sparsity.remark,
        cards=sparsity.cards,
        folded=listings.sweep,
    ),
    _Part(
        "trust",
        "Trust",
        "Whether its confidence is right, and whether it notices what it does not know.",
        ("evaluate",),
        cards=trust.cards,
        wanted=_scores,
    ),
    _Part(
        "examples", "Examples", "Single inputs, each with the answer and the doubt.", ("pack",), kinds=examples.kinds
    ),
    _Part(
        "robustness",
        "Robustness",
        "What happens when the inputs get worse.",
        ("evaluate",),
        cards=robustness.cards,
    ),
    _Part(
        "layers",
        "Layers",
        "Where the parameters and the bytes are, and where pruning took them.",
        ("evaluate",),
        cards=layers.cards,
        folded=_one(listings.every_layer),
    ),
    _Part(
        "weights",
        "Weights",
        "What the posterior believes about the weights, and what it was told to believe.",
        ("fit",),
        remark=weights.remark,
        cards=weights.cards,
        wanted=_posterior,
    ),
    _Part("training", "Training", "How the fit went.", ("fit",), cards=training.cards, tables=_one(tables.facts)),
)

_ORIGIN = _Part(
    "origin",
    "Origin",
    "Where the posterior comes from: it was made elsewhere, and nothing was fitted here.",
    ("import",),
    remark=_origin,
    tables=_one(tables.facts),
)
