"""Whether the uncertainty can be believed: reliability, risk against coverage, in- against out-of-distribution."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, columns, histogram, select, settled, shipped, variant, variants
from bitsback.report.figures.canvas import CARD, MUTED, SERIES, Card, draw, name_vertical
from bitsback.report.figures.curves import Axis, Line, described, plot, style_of
from bitsback.report.quantity import clean, shown

_SCORES = ("total", "knowledge")
_MOST_POINTS = 200
_SIDES = (SERIES[2], SERIES[5])


def cards(rows: Rows) -> list[Card]:
    """Draws what the journal has of: reliability, risk-coverage, and the histograms of both scores."""
    drawn = [_reliability(rows), _risk_coverage(rows), *(_histogram(rows, score) for score in _SCORES)]
    return [card for card in drawn if card is not None]


def _newest_of_each(rows: Rows, what: str) -> list[Measurement]:
    found = [row for row in settled(select(rows, what)) if row.of.get("score", "total") == "total"]
    return [[row for row in found if variant(row) == which][-1] for which in variants(found)][:6]


def _reliability(rows: Rows) -> Card | None:
    found = [row for row in _newest_of_each(rows, "reliability") if columns(row, "confidence", "accuracy", "count")]
    lines = [line for line in (_calibration(row, variants(found)) for row in found) if line is not None]
    if not lines:
        return None
    which = shipped(found)
    counted = next(row for row in found if variant(row) == which)

    def paint(figure: Figure) -> None:
        _paint_reliability(figure, lines, counted)

    return Card(
        "reliability",
        "Is its confidence right?",
        "On the diagonal, of the answers given with 80 % confidence 80 % are right; below it, the network is too sure. "
        f"The bars count the answers of the {which.name if which else ''} network.",
        f"Accuracy against confidence in bins. {described(lines, 'share')}",
        draw("reliability", paint),
        legend=tuple(line.style.key(line.label) for line in lines),
    )


def _calibration(row: Measurement, others: Sequence) -> Line | None:
    found = columns(row, "confidence", "accuracy", "count")
    if found is None:
        return None
    confidence, accuracy, count = found
    there = np.isfinite(confidence) & np.isfinite(accuracy) & (np.nan_to_num(count) > 0)
    name = variant(row)
    return Line(name.name, confidence[there], accuracy[there], style_of(name, others)) if there.any() else None


def _paint_reliability(figure: Figure, lines: Sequence[Line], counted: Measurement) -> None:
    low = min(0.5, *(float(min(line.x.min(), line.y.min())) for line in lines))
    low = np.floor(low * 10) / 10
    axes = figure.add_axes((0.15, 0.38, 0.8, 0.51))
    axes.plot((low, 1), (low, 1), color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
    for line in lines:
        axes.plot(
            line.x,
            line.y,
            color=line.style.colour,
            linestyle=(0, (4, 2)) if line.style.dashed else "-",
            marker=line.style.mark,
            markersize=5,
            markeredgecolor=CARD,
            markeredgewidth=0.8,
            clip_on=False,
        )
    axes.set_ylim(low, 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    name_vertical(axes, "right answers")
    axes.tick_params("x", labelbottom=False, length=0)
    strip = figure.add_axes((0.15, 0.17, 0.8, 0.16), sharex=axes)
    found = columns(counted, "confidence", "count")
    if found is not None:
        _bars(strip, *found)
    strip.set_xlim(low, 1.005)
    strip.xaxis.set_major_formatter(FuncFormatter(_percent))
    strip.set_xlabel("confidence")


def _bars(strip: Axes, confidence: np.ndarray, count: np.ndarray) -> None:
    there = np.isfinite(confidence) & (np.nan_to_num(count) > 0)
    share = count[there] / count[there].sum()
    strip.bar(confidence[there], np.sqrt(share), width=0.035, color=MUTED, alpha=0.55)
    strip.set_ylim(0, 1.35)
    strip.yaxis.set_major_locator(FixedLocator([0.1**0.5, 1.0]))
    strip.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value**2:.0f} %"))


def _risk_coverage(rows: Rows) -> Card | None:
    found = _newest_of_each(rows, "risk_coverage")
    lines = [line for line in (_risk(row, variants(found)) for row in found) if line is not None]
    if not lines:
        return None
    regression = not any(row.what == "accuracy" for row in rows)
    axis = Axis("mean absolute error", linear=True) if regression else Axis("wrong answers", "share", linear=True)

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
    if row is None or bins is None or which is None:
        return None
    edges, inside, outside = bins
    other = clean(row.of.get("out_of_distribution", ""), 30)
    names = ("test inputs", f"out of distribution{': ' + other if other else ''}")

    def paint(figure: Figure) -> None:
        _paint_histogram(figure, edges, (inside, outside), names, score)

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
    figure: Figure, edges: np.ndarray, counts: Sequence[np.ndarray], names: Sequence[str], score: str
) -> None:
    shares = [np.sqrt(count / max(count.sum(), 1e-12)) for count in counts]
    top = max(float(share.max()) for share in shares) * 1.08 or 1.0
    for index, (share, name) in enumerate(zip(shares, names, strict=True)):
        axes = figure.add_axes((0.13, 0.565 - 0.4 * index, 0.84, 0.33))
        axes.stairs(share, edges, fill=True, color=_SIDES[index], alpha=0.75, linewidth=0)
        axes.set_ylim(0, top)
        axes.set_xlim(edges[0], edges[-1])
        axes.yaxis.set_major_locator(FixedLocator([tick**0.5 for tick in (0.01, 0.1, 0.5) if tick**0.5 <= top]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value**2:.0f} %"))
        axes.text(
            0.99,
            0.98,
            name,
            transform=axes.transAxes,
            ha="right",
            va="top",
            color=_SIDES[index],
            fontsize=9.5,
            bbox={"facecolor": CARD, "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        )
        axes.tick_params("x", labelbottom=index == 1, length=3 if index else 0)
    name_vertical(figure.axes[0], "share of inputs")
    figure.axes[1].set_xlabel(f"{score} uncertainty")


def _mean(edges: np.ndarray, counts: np.ndarray) -> float | None:
    total = float(counts.sum())
    return float((counts * (edges[1:] + edges[:-1]) / 2).sum() / total) if total > 0 else None


def _percent(share: float, _: int) -> str:
    return f"{100 * share:.0f} %"
