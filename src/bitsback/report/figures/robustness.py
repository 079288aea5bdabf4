"""Accuracy and likelihood while the inputs get worse: noise, and perturbations made to mislead."""

import numpy as np
from matplotlib.figure import Figure

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, Variant, finite, number, select, settled, value, variant, variants
from bitsback.report.figures.canvas import Card, draw
from bitsback.report.figures.curves import Axis, Line, described, plot, style_of
from bitsback.report.quantity import clean, quantity

METRICS = ("accuracy", "rmse", "nll")
_KNOWN = {
    "noise": ("noise", "random noise is added to the inputs", "noise, standard deviation"),
    "fgsm": ("FGSM", "each input is moved one step against the network", "largest change of an input"),
    "pgd": ("PGD", "each input is moved in many small steps against the network", "largest change of an input"),
}


def cards(rows: Rows) -> list[Card]:
    """Draws each metric against the strength of each perturbation, one line for each network."""
    perturbed = [row for row in rows if "perturbation" in row.of]
    kinds = sorted({str(row.of["perturbation"]) for row in perturbed}, key=lambda kind: (_order(kind), kind))
    found = [(what, index, kind, _lines(rows, what, kind)) for what in METRICS for index, kind in enumerate(kinds)]
    return [_card(what, index, kind, lines) for what, index, kind, lines in found if lines]


def _order(kind: str) -> int:
    return list(_KNOWN).index(kind) if kind in _KNOWN else len(_KNOWN)


def _lines(rows: Rows, what: str, kind: str) -> list[Line]:
    found = [row for row in select(rows, what, perturbation=kind) if finite(row) and number(row, "level") is not None]
    networks = variants(found)
    return [
        _line(which, [row for row in found if variant(row) == which], value(settled(rows), what, which), networks)
        for which in networks[:6]
    ]


def _line(which: Variant, rows: list[Measurement], clean_row: Measurement | None, others: list[Variant]) -> Line:
    points = {number(row, "level"): row.value for row in rows}
    if clean_row is not None:
        points.setdefault(0.0, clean_row.value)
    levels = sorted(level for level in points if level is not None)
    y = np.array([points[level] for level in levels], dtype=np.float64)
    return Line(which.name, np.array(levels), y, style_of(which, others))


def _card(what: str, index: int, kind: str, lines: list[Line]) -> Card:
    named = quantity(what)
    name, doing, axis = _KNOWN.get(kind, (clean(kind, 30), "the inputs are changed", "strength"))
    key = f"robustness-{what}-{index}"

    def paint(figure: Figure) -> None:
        unit = f" ({named.unit})" if named.unit else ""
        plot(figure, lines, Axis(axis), Axis(named.name + unit, named.kind, linear=named.better == "higher"))

    good = "stays high" if named.better == "higher" else "stays low"
    return Card(
        key,
        f"{named.name} under {name}",
        f"To the right, {doing} more and more; the better network {good}.",
        f"{named.name} under {name}. {described(lines, named.kind)}",
        draw(key, paint),
    )
