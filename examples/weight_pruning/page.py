"""The study as one self-contained page, made from the journal alone."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bitsback.measure.journal import Measurement
from bitsback.report import document
from bitsback.report.document import Document, Section
from bitsback.report.figures.canvas import Card
from bitsback.report.provenance import provenance
from bitsback.report.tables import Table
from examples.weight_pruning import figures, tables
from examples.weight_pruning.evidence import Rows, by_dataset, counted

_TITLE = "How much of a network can go?"
_LEAD = (
    "Bayes by Backprop beside SGD and dropout: an MLP 784-500-500-10, trained on all of MNIST and of Fashion-MNIST and pruned "
    "without retraining, after D. Prasad, “Model compression using Bayesian Deep Learning”."
)
_COMMANDS = ("python -m examples.weight_pruning --data DIR",)
_Parts = Mapping[str, Rows]


def write(rows: Iterable[Measurement], path: Path) -> None:
    """Writes the page.

    Args:
        rows: the journal, oldest first.
        path: the file; its folder is made.

    Raises:
        DataError: there are no rows yet.
        RunError: the file cannot be written.
    """
    document.write(of(rows), path)


def of(rows: Iterable[Measurement]) -> Document:
    """The page's content.

    Raises:
        DataError: there are no rows yet.
    """
    chosen = counted(rows)
    parts = by_dataset(chosen)
    sections = (*_results(parts), *_fits(parts), *_costs(parts))
    return Document(_TITLE, _LEAD, sections, provenance(chosen))


def _results(parts: _Parts) -> list[Section]:
    """What came out of it."""
    return [
        Section(
            "worth",
            "What the posterior is worth",
            "Pruned to a tenth of its weights, beside the best of the SGD networks with all of theirs, figure by figure.",
            _COMMANDS,
            tables=_tables(parts, tables.worth),
        ),
        Section(
            "sparsity",
            "Accuracy against sparsity",
            "How far each can be pruned before it breaks.",
            _COMMANDS,
            _cards(parts, figures.accuracy),
            folded=(*_tables(parts, tables.accuracy), *_tables(parts, tables.uncertainty)),
        ),
    ]


def _fits(parts: _Parts) -> list[Section]:
    """How the networks were trained, and what they look like inside."""
    survival = tables.survival(parts)
    return [
        Section("training", "Training", "How the fits went.", _COMMANDS, _cards(parts, figures.training)),
        Section(
            "weights",
            "Weights",
            "What the methods make of the weights, how sure the posterior is of them, and what survives.",
            _COMMANDS,
            _cards(parts, figures.weights),
            tables=() if survival is None else (survival,),
        ),
    ]


def _costs(parts: _Parts) -> list[Section]:
    """What training and predicting take."""
    return [
        Section(
            "time",
            "Wall time",
            "As the jobs ran, beside other work on the machine; python -m bench.training_cost times methods side by side.",
            _COMMANDS,
            _cards(parts, figures.time),
            folded=_tables(parts, tables.cost),
        ),
        Section(
            "latency",
            "Latency",
            "Zeros that are stored as zeros make nothing faster: one input, one thread, ONNX Runtime.",
            _COMMANDS,
            _cards(parts, figures.latency),
            folded=_tables(parts, tables.latency),
        ),
    ]


def _cards(parts: _Parts, make: Callable[[Rows, str], list[Card]]) -> tuple[Card, ...]:
    return tuple(card for dataset, rows in parts.items() for card in make(rows, dataset))


def _tables(parts: _Parts, make: Callable[[Rows, str], Table | None]) -> tuple[Table, ...]:
    found = (make(rows, dataset) for dataset, rows in parts.items())
    return tuple(table for table in found if table is not None)
