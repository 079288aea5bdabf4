"""Whether its confidence is right: accuracy against confidence, with as many answers to a point as it takes to tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import columns, shipped, variant, variants
from bitsback.report.figures.canvas import MUTED, Card, draw, name_vertical
from bitsback.report.figures.lines import Line, described, draw_lines, style_of

_FEWEST = 20


@dataclass(frozen=True)
class Reliability:
    """A network's line in the diagram: joined bins, and the bounds [M] of each one's share of right answers."""

    line: Line
    low: np.ndarray
    high: np.ndarray


def card(rows: Sequence[Measurement]) -> Card | None:
    """Draws the newest `reliability` rows, one of each network; None where none can be read."""
    found = [row for row in rows if columns(row, "confidence", "accuracy", "count")]
    networks = [one for one in (_calibration(row, variants(found)) for row in found) if one is not None]
    which = shipped(found)
    if not networks or which is None:
        return None
    counted = columns(next(row for row in found if variant(row) == which), "confidence", "count")
    answers = f"{int(np.nan_to_num(counted[1]).sum()):,}" if counted is not None else "no"
    own = next((one for one in networks if one.line.label == which.name), networks[-1])
    lines = [one.line for one in networks]

    def paint(figure: Figure) -> None:
        _paint_reliability(figure, lines, own, counted)

    return Card(
        "reliability",
        "Is its confidence right?",
        "On the diagonal, of the answers given with 80 % confidence 80 % are right; below it, the network is too sure. "
        f"Bins of fewer than {_FEWEST} answers are joined with their neighbours. Upright lines are 95 % intervals of the "
        f"{which.name} network; the bars share out its {answers} answers.",
        f"Accuracy against confidence in bins. {described(lines, 'share')}",
        draw("reliability", paint),
        legend=tuple(line.style.key(line.label) for line in lines),
    )


def _calibration(row: Measurement, others: Sequence) -> Reliability | None:
    found = columns(row, "confidence", "accuracy", "count")
    if found is None:
        return None
    confidence, accuracy, count = joined(found[0], found[1], found[2])
    if not count.size:
        return None
    name = variant(row)
    return Reliability(Line(name.name, confidence, accuracy, style_of(name, others)), *interval(accuracy, count))


def joined(
    confidence: np.ndarray, accuracy: np.ndarray, count: np.ndarray, fewest: int = _FEWEST
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joins neighbouring bins until each holds enough answers to say something; no answer is left out.

    Args:
        confidence: Mean confidence of each bin [N], growing; NaN where it is empty.
        accuracy: Share of right answers [N]; NaN where it is empty.
        count: Answers [N].
        fewest: Answers that a joined bin has at least, unless there are fewer in all.

    Returns:
        Confidence, accuracy and count of each joined bin [M], M at most N; 0 where no bin has answers.
    """
    there = np.isfinite(confidence) & np.isfinite(accuracy) & (np.nan_to_num(count) > 0)
    sums: list[np.ndarray] = []
    for believed, right, size in zip(confidence[there][::-1], accuracy[there][::-1], count[there][::-1], strict=True):
        own = np.array([believed * size, right * size, size])
        if sums and sums[-1][2] < fewest:
            sums[-1] = sums[-1] + own
        else:
            sums.append(own)
    if len(sums) > 1 and sums[-1][2] < fewest:
        sums[-2:] = [sums[-2] + sums[-1]]
    total = np.array(sums[::-1]).reshape(-1, 3).T
    return total[0] / total[2], total[1] / total[2], total[2]


def interval(share: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a share that was counted: Wilson (1927), (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).

    Args:
        share: p, from 0 to 1 [N].
        count: n, above 0 [N].
        z: Of the normal distribution; 1.96 for 95 %.
    """
    middle = share + z**2 / (2 * count)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    whole = 1 + z**2 / count
    return (middle - reach) / whole, (middle + reach) / whole


def _paint_reliability(
    figure: Figure, lines: Sequence[Line], own: Reliability, counted: tuple[np.ndarray, ...] | None
) -> None:
    least = min(0.5, float(own.low.min()), *(float(min(line.x.min(), line.y.min())) for line in lines))
    low = max(0.0, np.floor(least * 10) / 10)
    axes = figure.add_axes((0.15, 0.38, 0.8, 0.51))
    axes.set_ylim(low, 1.0)
    axes.plot((low, 1), (low, 1), color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
    axes.vlines(own.line.x, own.low, own.high, color=own.line.style.colour, linewidth=1.2, alpha=0.6)
    draw_lines(axes, lines)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    name_vertical(axes, "right answers")
    axes.tick_params("x", labelbottom=False, length=0)
    strip = figure.add_axes((0.15, 0.17, 0.8, 0.16), sharex=axes)
    if counted is not None:
        _bars(strip, *counted)
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


def _percent(share: float, _: int) -> str:
    return f"{100 * share:.0f} %"
