"""What pruning costs: quality against sparsity, one line for each saliency."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, finite, number, packed_sparsity, select
from bitsback.report.figures.canvas import MUTED, Card, draw
from bitsback.report.figures.curves import Axis, plot
from bitsback.report.figures.lines import Line, described, style
from bitsback.report.quantity import clean, quantity

METRICS = (
    "accuracy",
    "rmse",
    "mae",
    "nll",
    "ece",
    "brier",
    "ood_auroc_total",
    "ood_auroc_knowledge",
    "misclassification_auroc_total",
)
_MOST = 6
_PACKED_ONLY = frozenset({"sparsity", "sweep", "split", "samples"})
_DENSEST = 0.999
_USUAL = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def cards(rows: Rows) -> list[Card]:
    """Draws one figure for each metric that has a sweep over sparsity."""
    found = ((what, curves(rows, what)) for what in METRICS)
    packed = packed_sparsity(rows)
    return [_card(what, lines, packed) for what, lines in found if lines]


def remark(rows: Rows) -> str:
    """Says what all the figures have in common: the axis, the dotted line, and whose answers they are about."""
    swept = [row for row in rows if row.of.get("sweep")]
    if not swept:
        return ""
    packed = packed_sparsity(rows)
    splits = {clean(row.of["split"], 24) for row in swept if "split" in row.of}
    said = ["The axis is logarithmic in the weights that are kept, so that 90, 95 and 98 % stay apart."]
    said += [f"Dotted: the packed network, {_percent(packed)} pruned." if packed is not None else ""]
    said += [f"Measured on the {split} split." for split in splits if len(splits) == 1]
    return " ".join(filter(None, said))


def curves(rows: Rows, what: str) -> list[Line]:
    """Gives the sweeps of a metric: x is the sparsity from 0 to 1, y the value, one line for each way of pruning."""
    swept = [row for row in select(rows, what, sweep=True) if finite(row) and number(row, "sparsity") is not None]
    groups: dict[tuple[tuple[str, str], ...], list[Measurement]] = {}
    for row in swept:
        groups.setdefault(_way(row), []).append(row)
    names = _names(list(groups))
    return [
        _line(names[way], sorted(groups[way], key=lambda row: number(row, "sparsity") or 0.0), slot)
        for slot, way in enumerate(sorted(groups))
    ]


def position(sparsity: np.ndarray | float) -> np.ndarray:
    """Places a sparsity on the axis: equal steps halve the weights that are kept."""
    return -np.log10(1.0 - np.minimum(sparsity, _DENSEST))


def against(figure: Figure, lines: Sequence[Line], y: Axis) -> Axes:
    """Draws lines over the share of pruned weights, which is their x, from 0 to 1.

    Args:
        figure: An empty figure.
        lines: At least one.
        y: The vertical axis.

    Returns:
        The axes, whose horizontal places are those of `position`.
    """
    placed = [replace(line, x=position(line.x)) for line in lines]
    ticks = _ticks(np.concatenate([line.x for line in lines]))
    return plot(figure, placed, Axis("pruned weights, %", ticks=ticks), y)


def _card(what: str, lines: Sequence[Line], packed: float | None) -> Card:
    named = quantity(what)
    better = {"higher": "Higher is better", "lower": "Lower is better", "": "Neither way is better"}[named.better]

    def paint(figure: Figure) -> None:
        axes = against(figure, lines[:_MOST], Axis(named.title, named.kind, linear=named.better == "higher"))
        if packed is not None:
            axes.axvline(float(position(packed)), color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)

    return Card(
        key=f"sparsity-{what.replace('_', '-')}",
        title=f"{named.name} against sparsity",
        caption=f"{better}; where the line is flat, pruning is free.",
        description=f"{named.name} against the share of pruned weights. {described(lines, named.kind)}",
        svg=draw(f"sparsity-{what.replace('_', '-')}", paint),
        note=f"The first {_MOST} of {len(lines)} lines are drawn." if len(lines) > _MOST else "",
    )


def _way(row: Measurement) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, str(said)) for key, said in row.of.items() if key not in _PACKED_ONLY))


def _names(ways: Sequence[tuple[tuple[str, str], ...]]) -> dict[tuple[tuple[str, str], ...], str]:
    """Names each way of pruning by its saliency and by what else differs between the ways."""
    differing = [key for key in _keys(ways) if key != "saliency" and len({dict(way).get(key) for way in ways}) > 1]
    order = ["saliency", *differing]
    return {way: " ".join(_word(dict(way)[key]) for key in order if key in dict(way)) or "pruned" for way in ways}


def _word(told: str) -> str:
    return "SNR" if told == "snr" else clean(told, 24)


def _keys(ways: Sequence[tuple[tuple[str, str], ...]]) -> list[str]:
    return sorted({key for way in ways for key, _ in way})


def _line(label: str, rows: Sequence[Measurement], slot: int) -> Line:
    bounds = [row.spread for row in rows]
    known = all(bound is not None and all(isinstance(one, int | float) for one in bound) for bound in bounds)
    low, high = np.array(bounds, dtype=np.float64).T if known else (None, None)
    return Line(
        label,
        np.array([number(row, "sparsity") for row in rows], dtype=np.float64),
        np.array([row.value for row in rows], dtype=np.float64),
        style(slot + 2),  # the first two colours are the networks'
        low,
        high,
    )


def _ticks(sparsities: np.ndarray) -> tuple[tuple[float, str], ...]:
    """Gives the usual sparsities within the range as ticks, thinned so that their texts do not touch."""
    low, high = float(sparsities.min()), min(float(sparsities.max()), _DENSEST)
    inside = [one for one in _USUAL if low - 1e-9 <= one <= high + 1e-9] or [low]
    room = max(float(position(high) - position(low)), 1e-9) * 0.1
    kept: list[float] = []
    for one in inside:
        if not kept or float(position(one) - position(kept[-1])) >= room:
            kept.append(one)
    return tuple((float(position(one)), _percent(one).removesuffix(" %")) for one in kept)


def _percent(share: float) -> str:
    percent = 100.0 * share
    return f"{percent:.0f} %" if math.isclose(percent, round(percent)) else f"{percent:.1f} %"
