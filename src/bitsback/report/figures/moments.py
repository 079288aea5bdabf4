"""One pass against Monte Carlo, as a picture in a file: how far the means are off, and the standard deviations' ratio."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

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
    figure = Figure(figsize=(_WIDTH, _ROOM + _ROW * len(layers)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(layers))
    left.barh(places, errors, height=0.6, color=_BLUE)
    left.xaxis.set_major_formatter(PercentFormatter(1.0))
    left.set_title("means: off by this share of their size", fontsize=9)
    left.set_yticks(places, layers, fontsize=7)
    left.set_ylim(len(layers) - 0.4, -0.6)
    right.axvspan(*_ALLOWED, color=_GREY, alpha=0.12, lw=0)
    right.axvline(1, color=_GREY, lw=1)
    right.hlines(places, [low for low, _, _ in ratios], [high for _, _, high in ratios], color=_BLUE, lw=2, alpha=0.5)
    right.plot([middle for _, middle, _ in ratios], places, "o", ms=4, color=_BLUE)
    right.set_xlim(min(0.85, *(low for low, _, _ in ratios)), max(1.15, *(high for _, _, high in ratios)))
    right.set_title("standard deviations over Monte Carlo's: median, quartiles", fontsize=9)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", color=_GREY, alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be written: {reason(error) if isinstance(error, OSError) else error}") from error
