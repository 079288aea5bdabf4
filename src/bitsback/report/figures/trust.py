"""Whether the uncertainty can be believed: reliability, risk against coverage, in- against out-of-distribution."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import (
    Rows,
    columns,
    histogram,
    is_regression,
    outsiders,
    select,
    settled,
    shipped,
    variant,
    variants,
)
from bitsback.report.figures import reliability
from bitsback.report.figures.canvas import SERIES, Card, draw, name_vertical
from bitsback.report.figures.curves import Axis, few_ticks, plot
from bitsback.report.figures.lines import Line, described, style_of
from bitsback.report.quantity import shown

SCORES = ("total", "knowledge")
_MOST_POINTS = 200
_SIDES = (SERIES[2], SERIES[5])


def cards(rows: Rows) -> list[Card]:
    """Draws what the journal has of: reliability, risk-coverage, and the histograms of both scores."""
    believed = reliability.card(_newest_of_each(rows, "reliability"))
    drawn = [believed, _risk_coverage(rows), *(_histogram(rows, score) for score in SCORES)]
    return [card for card in drawn if card is not None]


def _newest_of_each(rows: Rows, what: str) -> list[Measurement]:
    found = [row for row in settled(select(rows, what)) if row.of.get("score", "total") == "total"]
    return [[row for row in found if variant(row) == which][-1] for which in variants(found)][:6]


def _risk_coverage(rows: Rows) -> Card | None:
    found = _newest_of_each(rows, "risk_coverage")
    lines = [line for line in (_risk(row, variants(found)) for row in found) if line is not None]
    if not lines:
        return None
    error = Axis("mean absolute error", linear=True)
    axis = error if is_regression(rows) else Axis("wrong answers", "share", linear=True)

    def paint(figure: Figure) -> None:
        plot(figure, lines, Axis("inputs answered, most certain first", "share"), axis)

    return Card(
        "risk-coverage",
        "What declining buys",
        "To the left it answers only what it is most certain of; the lower the line there, the better it knows when it "
        "is wrong.",
        f"Error against the share of inputs answered. {described(lines, axis.kind)}",
        draw("risk-coverage", paint),
    )


def _risk(row: Measurement, others: Sequence) -> Line | None:
    found = columns(row, "coverage", "risk")
    if found is None or not np.isfinite(found[1]).any():
        return None
    coverage, risk = found
    order = np.argsort(coverage, kind="stable")
    kept = order[np.unique(np.linspace(0, order.size - 1, min(order.size, _MOST_POINTS)).round().astype(int))]
    return Line(variant(row).name, coverage[kept], risk[kept], style_of(variant(row), others), marked=False)


def _histogram(rows: Rows, score: str) -> Card | None:
    scored = settled(select(rows, "uncertainty_histogram", score=score))
    found = [row for row in scored if histogram(row, "inside", "outside")]
    which = shipped(found)
    row = next((one for one in reversed(found) if variant(one) == which), None)
    bins = histogram(row, "inside", "outside") if row is not None else None
    if bins is None or which is None or (score == "knowledge" and which.form == "point"):
        return None
    edges, inside, outside = bins
    other = outsiders(rows)
    names = ("test inputs", f"out of distribution{': ' + other if other else ''}")
    unit = "target units²" if is_regression(rows) else "nats"

    def paint(figure: Figure) -> None:
        _paint_histogram(figure, edges, (inside, outside), names, (f"{score} uncertainty", unit))

    means = [shown(_mean(edges, counts)) for counts in (inside, outside)]
    return Card(
        f"uncertainty-{score}",
        f"{score.capitalize()} uncertainty, familiar and not",
        "The less the two overlap, the better it tells what it was not trained on "
        f"({which.name}; heights on a square-root scale, so that rare values show).",
        f"Mean {score} uncertainty is {means[0]} on {names[0]} and {means[1]} on {names[1]}.",
        draw(f"uncertainty-{score}", paint),
    )


def _paint_histogram(
    figure: Figure, edges: np.ndarray, counts: Sequence[np.ndarray], names: Sequence[str], axis: tuple[str, str]
) -> None:
    shares = [np.sqrt(count / max(count.sum(), 1e-12)) for count in counts]
    top = max(float(share.max()) for share in shares) * 1.08 or 1.0
    factor, scale = _scale(float(np.abs(edges).max()))
    for index, (share, name) in enumerate(zip(shares, names, strict=True)):
        axes = figure.add_axes((0.13, 0.545 - 0.4 * index, 0.84, 0.29))
        axes.stairs(share, edges / factor, fill=True, color=_SIDES[index], alpha=0.75, linewidth=0)
        axes.set_ylim(0, top)
        axes.set_xlim(edges[0] / factor, edges[-1] / factor)
        axes.yaxis.set_major_locator(FixedLocator([tick**0.5 for tick in (0.01, 0.1, 0.5) if tick**0.5 <= top]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value**2:.0f} %"))
        few_ticks(axes.xaxis, "number")
        axes.text(1.0, 1.03, name, transform=axes.transAxes, ha="right", va="bottom", color=_SIDES[index], fontsize=9.5)
        axes.tick_params("x", labelbottom=index == 1, length=3 if index else 0)
    name_vertical(figure.axes[0], "share of inputs")
    name, unit = axis
    figure.axes[1].set_xlabel(", ".join(filter(None, (name, f"{scale} {unit}".strip()))))


def _scale(largest: float) -> tuple[float, str]:
    """Gives a power of ten that makes small values easy to read, and its text: (1e-05, "10⁻⁵"); (1, "") for others."""
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    if exponent >= -3:
        return 1.0, ""
    return 10.0**exponent, "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _mean(edges: np.ndarray, counts: np.ndarray) -> float | None:
    total = float(counts.sum())
    return float((counts * (edges[1:] + edges[:-1]) / 2).sum() / total) if total > 0 else None
