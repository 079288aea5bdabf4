"""Histograms under one another over a common axis, each with its name at the left and a word at the right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import histogram
from bitsback.report.figures.canvas import GRID, INK, MUTED, SERIES, draw
from bitsback.report.quantity import shown

EXPECTED = SERIES[1]
"""Colour of the line over a ridge's histograms."""

_CEILING = 1.15  # of a ridge: what is higher is cut
Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Area:
    """A filled outline: edges [N + 1] and heights [N] from 0 to 1."""

    edges: np.ndarray
    heights: np.ndarray
    colour: str


@dataclass(frozen=True)
class Ridge:
    """Histograms and a line, drawn over one another, with their name at the left and a word at the right."""

    name: str
    areas: tuple[Area, ...]
    word: str
    line: Curve | None = None


def of_values(name: str, histograms: Sequence[tuple[Measurement, str]], density: Curve | None = None) -> Ridge:
    """Draws how often each value occurs, heights logarithmic and to one scale, however wide each histogram's bins are.

    Args:
        name: Whose values they are.
        histograms: Rows with `edges` and `count`, each with its colour; what is no histogram is left out.
        density: What was expected of a value, x [N] and density [N]: a line as high as the first histogram would be.

    Returns:
        A ridge whose word is the standard deviation of the last histogram.
    """
    found = [(histogram(row, "count"), colour) for row, colour in histograms]
    bins = [(one[0], one[1], colour) for one, colour in found if one is not None]
    if not bins:
        return Ridge(name, (), "")
    edges, count, _ = bins[0]
    width = float(edges[1] - edges[0])
    heights = [np.log1p(each / np.diff(at) * width) for at, each, _ in bins]
    top = max(float(height.max()) for height in heights) or 1.0
    areas = tuple(Area(at, height / top, colour) for (at, _, colour), height in zip(bins, heights, strict=True))
    word = f"std {shown(_deviation(bins[-1][0], bins[-1][1]))}"
    if density is None:
        return Ridge(name, areas, word)
    expected = np.log1p(float(count.sum()) * density[1] * width) / top
    return Ridge(name, areas, word, (density[0], expected.clip(max=_CEILING)))


def of_kept(name: str, row: Measurement, *, logarithmic: bool = False) -> Ridge:
    """Draws all and, in front of them, those that are kept; the word is their share, or the median where all are kept.

    Args:
        name: Whose values they are.
        row: With `edges` (logarithms to base 10), `count` and `kept`; without them nothing is drawn.
        logarithmic: Whether the heights are, so that the few show beside the many.
    """
    found = histogram(row, "count", "kept")
    if found is None:
        return Ridge(name, (), "")
    edges, count, kept = found
    heights = [np.log1p(each) if logarithmic else each for each in (count, kept)]
    every, left = (each / max(float(heights[0].max()), 1e-12) for each in heights)
    if np.array_equal(count, kept):
        middle = float(np.interp(0.5 * count.sum(), np.cumsum(count), edges[1:]))
        return Ridge(name, (Area(edges, every, SERIES[0]),), f"median {shown(10.0**middle)}")
    areas = (Area(edges, every, MUTED), Area(edges, left, SERIES[0]))
    return Ridge(name, areas, f"{100 * float(kept.sum()) / max(float(count.sum()), 1.0):.3g} % kept")


def drawn(key: str, ridges: Sequence[Ridge], axis: str, *, powers: bool = False) -> Markup:
    """Draws ridges under one another.

    Args:
        key: The figure's name.
        ridges: From the top, at least one of them with an area.
        axis: What the horizontal axis shows.
        powers: Whether it holds logarithms to base 10.
    """
    return draw(key, lambda figure: _paint(figure, ridges, axis, powers=powers), height=_tall(ridges))


def told(ridges: Sequence[Ridge]) -> str:
    """Says in words what stands beside the ridges."""
    return "; ".join(f"{ridge.name}: {ridge.word}" for ridge in ridges) + "."


def level(value: float, _: int) -> str:
    """Writes a tick of an even axis."""
    return f"{value:g}".replace("-", "−")


def _paint(figure: Figure, ridges: Sequence[Ridge], name: str, *, powers: bool) -> None:
    """Draws layers under one another over a common axis; `powers` says that the axis holds logarithms to base 10."""
    bottom = 0.42 / float(figure.get_size_inches()[1])
    height = (0.99 - bottom) / len(ridges)
    low = min(float(area.edges[0]) for ridge in ridges for area in ridge.areas)
    high = max(float(area.edges[-1]) for ridge in ridges for area in ridge.areas)
    for index, ridge in enumerate(ridges):
        last = index == len(ridges) - 1
        axes = figure.add_axes((0.03, bottom + height * (len(ridges) - 1 - index), 0.94, 0.88 * height))
        for area in ridge.areas:
            alpha = 0.35 if area.colour == MUTED else 0.8
            axes.stairs(area.heights, area.edges, fill=True, color=area.colour, alpha=alpha, linewidth=0)
        if ridge.line is not None:
            axes.plot(*ridge.line, color=EXPECTED, linewidth=1.0)
        axes.set(xlim=(low, high), ylim=(0, 1.7))
        axes.grid(visible=True, axis="x", color=GRID)
        axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=powers))
        axes.xaxis.set_major_formatter(FuncFormatter(_power if powers else level))
        axes.tick_params(labelbottom=last, length=3 if last else 0)
        axes.text(0.0, 0.95, ridge.name, transform=axes.transAxes, va="top", fontsize=9, color=INK)
        axes.text(1.0, 0.95, ridge.word, transform=axes.transAxes, va="top", ha="right", fontsize=9, color=MUTED)
    figure.axes[-1].set_xlabel(name)


def _deviation(edges: np.ndarray, count: np.ndarray) -> float | None:
    total = float(count.sum())
    if total <= 0:
        return None
    middle = (edges[1:] + edges[:-1]) / 2
    mean = float((middle * count).sum()) / total
    return float(np.sqrt((count * (middle - mean) ** 2).sum() / total))


def _tall(ridges: Sequence[Ridge]) -> float:
    return 0.45 + max(2.35, 0.62 * len(ridges)) if len(ridges) > 2 else 0.45 + 0.9 * len(ridges)


def _power(value: float, _: int) -> str:
    return f"{10.0**value:g}" if -4.5 < value < 4.5 else f"1e{value:g}".replace("-", "−")
