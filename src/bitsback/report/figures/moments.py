"""One pass against Monte Carlo, as a picture in a file: how far the means are off, and the standard deviations' ratio."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bitsback.errors import RunError, reason

_WIDTH, _ROW, _ROOM = 9.0, 0.2, 1.2
_ALLOWED = (0.9, 1.1)
_BLUE, _GREY = "#1a5fa8", "#7d828a"  # a picture in a file has no palette to follow


def write(
    path: Path, layers: Sequence[str], errors: Sequence[float], ratios: Sequence[tuple[float, float, float]]
) -> None:
    """Draw the layers from top to bottom and write the picture.

    Args:
        path: The file, a .png or .svg.
        layers: Their names, in the network's order.
        errors: Of the means, as a share of their size.
        ratios: First quartile, median and third quartile of standard deviations over Monte Carlo's.

    Raises:
        RunError: It cannot be written.
    """
    figure = drawn(layers, errors, ratios)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be written: {reason(error) if isinstance(error, OSError) else error}") from error


def drawn(layers: Sequence[str], errors: Sequence[float], ratios: Sequence[tuple[float, float, float]]) -> Figure:
    """The picture before it is written; takes what `write` takes."""
    figure = Figure(figsize=(_WIDTH, _ROOM + _ROW * len(layers)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    _means(left, errors)
    _deviations(right, ratios)
    left.set_yticks(range(len(layers)), layers, fontsize=7)
    left.set_ylim(len(layers) - 0.4, -0.6)
    for axes in (left, right):
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", color=_GREY, alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _means(axes: Axes, errors: Sequence[float]) -> None:
    axes.barh(range(len(errors)), errors, height=0.6, color=_BLUE)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    axes.set_title("means: off by this share of their size", fontsize=9)


def _deviations(axes: Axes, ratios: Sequence[tuple[float, float, float]]) -> None:
    places = range(len(ratios))
    near = axes.axvspan(*_ALLOWED, color=_GREY, alpha=0.12, lw=0, label="within 10 %")
    axes.axvline(1, color=_GREY, lw=1)
    lows, middles, highs = zip(*ratios, strict=True)
    spread = axes.hlines(places, lows, highs, color=_BLUE, lw=2, alpha=0.5, label="quartiles")
    (median,) = axes.plot(middles, places, "o", ms=4, color=_BLUE, label="median")
    axes.set_xlim(min(0.85, *lows), max(1.15, *highs))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))  # steps that divide 1, where the line is
    axes.xaxis.set_major_formatter("{x:.2f}")
    axes.set_title("standard deviations over Monte Carlo's", fontsize=9)
    axes.figure.legend(handles=[median, spread, near], loc="outside lower right", ncols=3, fontsize=7, frameon=False)
