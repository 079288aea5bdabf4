"""Lines in colours and marks that stay the same over the whole page; none hides another that it lies on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from bitsback.report.evidence import REFERENCE, Variant
from bitsback.report.figures.canvas import CARD, MUTED, SERIES, Key, role
from bitsback.report.quantity import Kind, shown

_VARIANT_SLOTS = {
    Variant("compressed", "ensemble"): 0,
    Variant("compressed", "point"): 1,
    Variant("dense", "ensemble"): 2,
}
_MARKS = ("o", "s", "^", "D", "v", "P")
_TOUCHING = 0.015
_STRIPE = 3.5


@dataclass(frozen=True)
class Style:
    """How one thing is drawn wherever it occurs."""

    colour: str
    mark: str = "o"
    dashed: bool = False

    def key(self, label: str) -> Key:
        """The legend's entry for it."""
        return Key(label, role(self.colour), "dash" if self.dashed else "line")


@dataclass(frozen=True)
class Line:
    """One curve: x [N] and y [N] in the axis' units; `low` and `high` [N] bound repeated runs where they are known."""

    label: str
    x: np.ndarray
    y: np.ndarray
    style: Style
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    marked: bool = True


def style_of(which: Variant, others: Sequence[Variant] = ()) -> Style:
    """Gives a network's style: the dense point network is a grey dashed line, the others have fixed slots."""
    if which == REFERENCE:
        return Style(MUTED, "o", dashed=True)
    strangers = [one for one in others if one not in _VARIANT_SLOTS and one != REFERENCE]
    slot = _VARIANT_SLOTS[which] if which in _VARIANT_SLOTS else 3 + (strangers.index(which) if strangers else 0)
    return style(slot)


def style(slot: int) -> Style:
    """Gives the style of a numbered series; numbers past the palette start again."""
    return Style(SERIES[slot % len(SERIES)], _MARKS[slot % len(_MARKS)])


def draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    """Draws lines on axes whose vertical limits are set; of those that lie on one another the later ones are stripes.

    Dashed lines are the later ones, as they are stripes anyway.
    """
    scale = np.log10 if axes.get_yscale() == "log" else np.asarray
    low, high = (float(scale(limit)) for limit in axes.get_ylim())
    ordered = sorted(lines, key=lambda line: line.style.dashed)
    stripes = turns([(line.x, (scale(line.y) - low) / (high - low)) for line in ordered])
    for line, (turn, count) in zip(ordered, stripes, strict=True):
        _line(axes, line, turn, count)


def turns(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[tuple[int, int]]:
    """Gives each curve its turn among those that lie on it for most of their way, and how many these are with itself.

    Args:
        curves: Of each x [N], growing, and y [N] as a share of the figure's height.
    """
    groups: list[list[int]] = []
    for index, curve in enumerate(curves):
        near = [group for group in groups if any(_lies_on(curve, curves[other]) for other in group)]
        groups = [group for group in groups if group not in near] + [[*(one for g in near for one in g), index]]
    found = {index: (turn, len(group)) for group in groups for turn, index in enumerate(group)}
    return [found[index] for index in range(len(curves))]


def described(lines: Sequence[Line], kind: Kind) -> str:
    """Says in words where each line starts and ends."""
    ends = ((line.label, shown(_first(line.y), kind), shown(_first(line.y[::-1]), kind)) for line in lines)
    return "; ".join(f"{label}: from {first} to {last}" for label, first, last in ends) + "."


def _lies_on(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    x, y = other
    common = (x >= one[0].min()) & (x <= one[0].max()) & np.isfinite(y)
    gaps = np.abs(y - np.interp(x, *one))[common]
    return gaps.size > 0 and float(np.mean(gaps < _TOUCHING)) > 0.5


def _line(axes: Axes, line: Line, turn: int, count: int) -> None:
    if line.low is not None and line.high is not None:
        axes.fill_between(line.x, line.low, line.high, color=line.style.colour, alpha=0.16, linewidth=0)
    whole = (0, (4, 2)) if line.style.dashed else "-"
    marked = line.marked and line.x.size <= 24
    axes.plot(
        line.x,
        line.y,
        color=line.style.colour,
        linestyle=whole if turn == 0 else (-turn * _STRIPE, (_STRIPE, (count - 1) * _STRIPE)),
        marker=line.style.mark if marked else "",
        markevery=(turn % line.x.size, count),
        markersize=5,
        markeredgecolor=CARD,
        markeredgewidth=0.8,
        clip_on=False,
    )


def _first(values: np.ndarray) -> float | None:
    there = values[np.isfinite(values)]
    return float(there[0]) if there.size else None
