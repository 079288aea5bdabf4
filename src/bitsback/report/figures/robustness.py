"""Accuracy and likelihood while the inputs get worse: noise, and perturbations made to mislead."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, Variant, finite, number, select, settled, value, variant, variants
from bitsback.report.figures.canvas import Card, draw
from bitsback.report.figures.curves import Axis, plot
from bitsback.report.figures.lines import Line, described, style_of
from bitsback.report.quantity import clean, quantity

METRICS = ("accuracy", "rmse", "nll")
_KNOWN = {
    "noise": ("noise", "random noise is added to the inputs", "noise, in the inputs' std"),
    "fgsm": ("FGSM", "each input is moved one step against the network", "largest change, in the inputs' std"),
    "pgd": ("PGD", "each input is moved in many small steps against the network", "largest change, in the inputs' std"),
}


def cards(rows: Rows) -> list[Card]:
    """Draws each metric against the strength of each perturbation, one line for each network, on one scale a metric."""
    perturbed = [row for row in rows if "perturbation" in row.of]
    kinds = sorted({str(row.of["perturbation"]) for row in perturbed}, key=lambda kind: (_order(kind), kind))
    return [card for what in METRICS for card in _of_metric(rows, what, kinds)]


def _of_metric(rows: Rows, what: str, kinds: Sequence[str]) -> list[Card]:
    named = quantity(what)
    found = [(index, kind, _lines(rows, what, kind)) for index, kind in enumerate(kinds)]
    held = tuple(float(value) for _, _, lines in found for line in lines for value in line.y)
    axis = Axis(named.title, named.kind, linear=named.better == "higher", holds=held)
    return [_card(what, f"robustness-{what}-{index}", kind, lines, axis) for index, kind, lines in found if lines]


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


def _card(what: str, key: str, kind: str, lines: list[Line], axis: Axis) -> Card:
    named = quantity(what)
    name, doing, strength = _KNOWN.get(kind, (clean(kind, 30), "the inputs are changed", "strength"))

    def paint(figure: Figure) -> None:
        plot(figure, lines, Axis(strength), axis)

    good = "stays high" if named.better == "higher" else "stays low"
    return Card(
        key,
        f"{named.name} under {name}",
        f"To the right, {doing} more and more; the better network {good}.",
        f"{named.name} under {name}. {described(lines, named.kind)}",
        draw(key, paint),
    )
