"""A tuning as a picture in a file: the best latency so far over the trials, a curve for each batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bitsback.errors import RunError, reason

_GREY = "#7d828a"  # a picture in a file has no palette to follow


def write(path: Path, latencies: Mapping[int, Sequence[float]]) -> None:
    """Draw the curves and write the picture.

    Args:
        path: The file, a .png or .svg.
        latencies: Seconds after each trial, by batch.

    Raises:
        RunError: It cannot be written.
    """
    figure = Figure(figsize=(7.0, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for batch, seconds in latencies.items():
        axes.step(range(1, len(seconds) + 1), [1e6 * each for each in seconds], where="post", label=f"batch {batch}")
    axes.set_yscale("log" if len(latencies) > 1 else "linear")
    axes.set_xlabel("trials")
    axes.set_ylabel("µs of all products, each with its best tile so far", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(color=_GREY, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be written: {reason(error)}") from error
