"""Lines over a common axis, each named at its end."""

import itertools
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bitsback.report.figures.canvas import INK, WIDTH, name_vertical, pane
from bitsback.report.figures.lines import Line, draw_lines
from bitsback.report.quantity import Kind, clean, shown

_UNITS = 72 * WIDTH
_LONGEST, _MOST_LINES = 14, 3  # of a name: characters in a line, and lines
_LEAST_SHARES = 0.02


@dataclass(frozen=True)
class Axis:
    """An axis of a figure.

    Attributes:
        name: What it shows, with the unit where the kind does not say it.
        kind: How its ticks are written.
        ticks: Position and text of each tick, where they are not evenly spaced.
        linear: Never logarithmic, as is right for what has a best value.
        limits: Where it starts and ends, where the lines do not decide that; then it is linear.
        holds: Values that must be in its range, so that figures beside one another have the same.
    """

    name: str
    kind: Kind = "number"
    ticks: tuple[tuple[float, str], ...] = ()
    linear: bool = False
    limits: tuple[float, float] | None = None
    holds: tuple[float, ...] = ()


def plot(figure: Figure, lines: Sequence[Line], x: Axis, y: Axis) -> Axes:
    """Draws lines with their names at their right ends; a single one has the figure's name.

    Args:
        figure: An empty figure.
        lines: At least one.
        x: The horizontal axis.
        y: The vertical axis; unless linear, it becomes logarithmic where the values span more than a factor of 30.

    Returns:
        The axes, for what else is to be drawn on them.
    """
    labels = [_wrapped(line.label) for line in lines] if len(lines) > 1 else []
    widest = max((len(part) for label in labels for part in label.split("\n")), default=0)
    axes = pane(figure, left=0.145, right=1.0 - (12 + 5.6 * widest) / _UNITS)
    _limits(axes, lines, y)
    draw_lines(axes, lines)
    _ticks(axes, lines, x, y)
    axes.set_xlabel(x.name)
    name_vertical(axes, y.name)
    if labels:
        _name_ends(axes, lines, labels)
    return axes


def few_ticks(axis: XAxis | YAxis, kind: Kind, *, count: int = 5, integer: bool = False) -> None:
    """Puts few ticks on an axis whose limits are set and writes them with as many digits as tell them apart."""
    locator = MaxNLocator(count, steps=[1, 2, 5, 10], integer=integer)
    places = np.asarray(locator.tick_values(*axis.get_view_interval()))
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(_tick_writer(places, kind)))


def spread(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Moves positions apart as little as is needed.

    Args:
        wanted: Positions on a scale from 0 to 1.
        gaps: The room each needs around its position.

    Returns:
        Positions in the same order, neighbours at least half the sum of their gaps apart, within 0 to 1 where they fit.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [min(max(wanted[index], 0.0), 1.0) for index in order]
    apart = [(gaps[a] + gaps[b]) / 2 for a, b in itertools.pairwise(order)]
    for index, gap in enumerate(apart):
        placed[index + 1] = max(placed[index + 1], placed[index] + gap)
    if placed and placed[-1] > 1.0:
        placed[-1] = 1.0
        for index in range(len(apart) - 1, -1, -1):
            placed[index] = min(placed[index], placed[index + 1] - apart[index])
    return [placed[order.index(index)] for index in range(len(wanted))]


def _limits(axes: Axes, lines: Sequence[Line], y: Axis) -> None:
    if y.limits is not None:
        axes.set_ylim(*y.limits)
        return
    values = np.concatenate([*(line.y for line in lines), np.array(y.holds)])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if y.kind == "share" and high - low < _LEAST_SHARES:
        low = min(max((low + high - _LEAST_SHARES) / 2, 0.0), 1.0 - _LEAST_SHARES)
        high = low + _LEAST_SHARES
    if not y.linear and low > 0 and high / low > 30:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        return
    room = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    axes.set_ylim(low - room, high + room)


def _ticks(axes: Axes, lines: Sequence[Line], x: Axis, y: Axis) -> None:
    if axes.get_yscale() == "log":
        subs = (1.0,) if np.ptp(np.log10(axes.get_ylim())) > 2.5 else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(_plain_writer(y.kind)))
    else:
        few_ticks(axes.yaxis, y.kind)
    if x.ticks:
        axes.xaxis.set_major_locator(FixedLocator([position for position, _ in x.ticks]))
        texts = dict(x.ticks)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda position, _: texts.get(position, "")))
    else:
        whole = all(np.all(line.x == np.round(line.x)) for line in lines)
        few_ticks(axes.xaxis, x.kind, count=5, integer=whole and x.kind == "count")


def _name_ends(axes: Axes, lines: Sequence[Line], labels: Sequence[str]) -> None:
    height = axes.get_window_extent().height * 72 / axes.figure.dpi
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform(_end(line)) for line in lines]
    gaps = [(11.0 * (1 + label.count("\n")) + 2.0) / height for label in labels]
    for line, label, end, place in zip(lines, labels, ends, spread([e[1] for e in ends], gaps), strict=True):
        axes.plot(
            (end[0] + 0.015, 1.03),
            (end[1], place),
            transform=axes.transAxes,
            color=line.style.colour,
            linewidth=0.7,
            alpha=0.7,
            clip_on=False,
        )
        axes.text(
            1.045,
            place,
            label,
            transform=axes.transAxes,
            va="center",
            ha="left",
            fontsize=9,
            linespacing=1.05,
            color=INK if line.style.dashed else line.style.colour,
        )


def _end(line: Line) -> tuple[float, float]:
    last = int(np.flatnonzero(np.isfinite(line.y))[-1])
    return float(line.x[last]), float(line.y[last])


def _wrapped(label: str) -> str:
    return "\n".join(textwrap.wrap(clean(label), _LONGEST, max_lines=_MOST_LINES, placeholder="…")) or "?"


def _tick_writer(places: np.ndarray, kind: Kind) -> Callable[[float, int], str]:
    """Writes ticks at these places with the fewest digits that are exact."""
    scale, unit = (100.0, " %") if kind == "share" else (1.0, "")
    scaled = places * scale
    step = float(np.diff(scaled).min()) if scaled.size > 1 else 1.0
    digits = next((n for n in range(6) if np.abs(scaled - scaled.round(n)).max() < 1e-3 * step), 6)

    def write(value: float, _: int) -> str:
        number = value * scale
        return (f"{number:,.{digits}f}{unit}" if abs(number) < 1e5 else shown(number, "count")).replace("-", "−")

    return write


def _plain_writer(kind: Kind) -> Callable[[float, int], str]:
    scale, unit = (100.0, " %") if kind == "share" else (1.0, "")
    return lambda value, _: f"{value * scale:g}{unit}"
