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


@dataclass(frozen=True)
class Area:
    """A filled outline: edges [N + 1] and heights [N] from 0 to 1."""

    edges: np.ndarray
    heights: np.ndarray
    colour: str


@dataclass(frozen=True)
class Ridge:
    """Histograms drawn over one another, with their name at the left and a word at the right."""

    name: str
    areas: tuple[Area, ...]
    word: str


def of_values(name: str, histograms: Sequence[tuple[Measurement, str]]) -> Ridge:
    """Draws how often each value occurs, heights logarithmic; the word is the standard deviation of the last.

    Args:
        name: Whose values they are.
        histograms: Rows with `edges` and `count`, each with its colour; what is no histogram is left out.
    """
    areas, deviation = [], None
    for row, colour in histograms:
        found = histogram(row, "count")
        if found is not None:
            edges, count = found
            areas.append(Area(edges, _part(np.log1p(count), np.log1p(count)), colour))
            deviation = _deviation(edges, count)
    return Ridge(name, tuple(areas), f"std {shown(deviation)}")


def of_kept(name: str, row: Measurement, *, logarithmic: bool = False) -> Ridge:
    """Draws all and, in front of them, those that are kept; the word is their share.

    Args:
        name: Whose values they are.
        row: With `edges`, `count` and `kept`; without them nothing is drawn.
        logarithmic: Whether the heights are, so that the few show beside the many.
    """
    found = histogram(row, "count", "kept")
    if found is None:
        return Ridge(name, (), "")
    edges, count, kept = found
    heights = [np.log1p(each) if logarithmic else each for each in (count, kept)]
    areas = tuple(
        Area(edges, _part(each, heights[0]), at) for each, at in zip(heights, (MUTED, SERIES[0]), strict=True)
    )
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
        axes = figure.add_axes((0.03, bottom + height * (len(ridges) - 1 - index), 0.94, height))
        for area in ridge.areas:
            alpha = 0.35 if area.colour == MUTED else 0.8
            axes.stairs(area.heights, area.edges, fill=True, color=area.colour, alpha=alpha, linewidth=0)
        axes.set(xlim=(low, high), ylim=(0, 1.75))
        axes.grid(visible=True, axis="x", color=GRID)
        axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=powers))
        axes.xaxis.set_major_formatter(FuncFormatter(_power if powers else level))
        axes.tick_params(labelbottom=last, length=3 if last else 0)
        axes.text(0.0, 0.95, ridge.name, transform=axes.transAxes, va="top", fontsize=9, color=INK)
        axes.text(1.0, 0.95, ridge.word, transform=axes.transAxes, va="top", ha="right", fontsize=9, color=MUTED)
    figure.axes[-1].set_xlabel(name)


def _part(counts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return counts / max(float(whole.max()), 1e-12)


def _deviation(edges: np.ndarray, count: np.ndarray) -> float | None:
    total = float(count.sum())
    if total <= 0:
        return None
    middle = (edges[1:] + edges[:-1]) / 2
    mean = float((middle * count).sum()) / total
    return float(np.sqrt((count * (middle - mean) ** 2).sum() / total))


def _tall(ridges: Sequence[Ridge]) -> float:
    return 0.45 + max(2.35, 0.58 * len(ridges)) if len(ridges) > 2 else 0.45 + 0.9 * len(ridges)


def _power(value: float, _: int) -> str:
    return f"{10.0**value:g}" if -3.5 < value < 4.5 else f"1e{value:g}".replace("-", "−")
