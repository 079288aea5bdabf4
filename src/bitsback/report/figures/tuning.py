"""A tuning as a picture in a file: the best latency so far over the trials, a panel for each batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bitsback.errors import RunError, reason

_WIDTH, _ROW, _ROOM = 7.0, 2.0, 0.5
_BLUE, _GREY = "#1a5fa8", "#7d828a"  # a picture in a file has no palette to follow


def write(path: Path, latencies: Mapping[int, Sequence[float]]) -> None:
    """Draw the panels and write the picture.

    Args:
        path: The file, a .png or .svg.
        latencies: Seconds before the first trial and after each, by batch.

    Raises:
        RunError: It cannot be written.
    """
    figure = Figure(figsize=(_WIDTH, _ROOM + _ROW * len(latencies)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(latencies), sharex=True, squeeze=False)[:, 0]
    for axes, (batch, seconds) in zip(panels, latencies.items(), strict=True):
        axes.step(range(len(seconds)), [1e6 * each for each in seconds], where="post", color=_BLUE)
        axes.set_title(
            f"batch {batch}: µs of all linear and convolution layers, each with its best tile so far", fontsize=9
        )
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.tick_params(labelsize=8)
        axes.grid(color=_GREY, alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("trials", fontsize=9)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be written: {reason(error)}") from error
