"""Bars over one another's names: a pale one and, in front of it, a solid one."""

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bitsback.report.figures.canvas import INK, MUTED, SERIES, Card, Key, draw
from bitsback.report.quantity import Kind, shown, tail

_FEW = 12
_ROW, _TIGHT = 0.4, 0.33
_ROOM = 52  # characters over a bar: its name and its word


@dataclass(frozen=True)
class Bars:
    """A figure of bars: for each thing its name, the pale bar's length (0: none) and the solid bar's."""

    key: str
    title: str
    caption: str
    kind: Kind
    words: tuple[str, str]
    bars: tuple[tuple[str, float, float], ...]


def card(each: Bars, note: str = "") -> Card:
    """Draws bars, at least one of them longer than 0; `note` says what is left out."""
    height = 0.15 + (_ROW if len(each.bars) <= _FEW else _TIGHT) * len(each.bars)
    words = [f"{name}: {_word(pale, solid, each.kind)}" for name, pale, solid in each.bars]
    roles = zip(each.words, (("muted", "pale"), ("series-1", "area")), strict=True)
    return Card(
        each.key,
        each.title,
        each.caption,
        "; ".join(words) + ".",
        draw(each.key, lambda figure: _paint(figure, each), height=height),
        legend=tuple(Key(word, *role) for word, role in roles if word),
        note=note,
    )


def _paint(figure: Figure, each: Bars) -> None:
    axes = figure.add_axes((0.01, 0.0, 0.98, 1.0))
    longest = max(max(pale, solid) for _, pale, solid in each.bars)
    for index, (name, pale, solid) in enumerate(each.bars):
        axes.barh(index, pale, height=0.3, color=MUTED, alpha=0.35)
        axes.barh(index, solid, height=0.3, color=SERIES[0])
        word = _word(pale, solid, each.kind)
        axes.text(0, index - 0.24, tail(name, _ROOM - len(word)), va="bottom", fontsize=9, color=INK)
        axes.text(longest, index - 0.24, word, va="bottom", ha="right", fontsize=9, color=MUTED)
    axes.set(xlim=(0, longest), ylim=(len(each.bars) - 0.7, -0.75))
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())


def _word(pale: float, solid: float, kind: Kind) -> str:
    if pale <= 0:
        return shown(solid, kind)
    return f"{shown(solid, kind)} of {shown(pale, kind)} ({100 * solid / pale:.0f} %)"
