"""What the weights look like: their values, their signal-to-noise ratio by layer, and the prior they were given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, columns, histogram, select, variant
from bitsback.report.figures.canvas import GRID, INK, MUTED, SERIES, Card, Key, draw, name_vertical, pane
from bitsback.report.quantity import clean, shown, tail

_MOST = 8
_FLOOR = 1e-5
_STAGES = {"dense": MUTED, "compressed": SERIES[0]}
Layers = Mapping[str, Mapping[str, Measurement]]


@dataclass(frozen=True)
class Area:
    """A filled outline: edges [N + 1] and heights [N] from 0 to 1."""

    edges: np.ndarray
    heights: np.ndarray
    colour: str


@dataclass(frozen=True)
class Ridge:
    """One layer's histograms, drawn over one another, with its name at the left and a word at the right."""

    name: str
    areas: tuple[Area, ...]
    word: str


def cards(rows: Rows) -> list[Card]:
    """Draws what the journal has of: weight histograms, signal-to-noise histograms, the prior's density."""
    drawn = [_weights(rows), _ratios(rows), _prior(rows)]
    return [card for card in drawn if card is not None]


def _weights(rows: Rows) -> Card | None:
    layers = _by_layer(rows, "weight_histogram", ("count",))
    if not layers:
        return None
    chosen, note = _largest(layers, "count")
    stages = [stage for stage in _STAGES if any(stage in each for each in chosen.values())]
    ridges = [_weight_ridge(name, each) for name, each in chosen.items()]
    return Card(
        "weights",
        "Weights by layer",
        "How often each value occurs, layer by layer; heights are logarithmic, so that the few large weights show. The "
        "number is the standard deviation of those that are left.",
        _told(ridges),
        draw("weights", lambda figure: _paint(figure, ridges, "weight"), height=_tall(ridges)),
        legend=tuple(Key(stage, *(("muted", "pale") if stage == "dense" else ("series-1",))) for stage in stages),
        note=note,
    )


def _weight_ridge(name: str, stages: Mapping[str, Measurement]) -> Ridge:
    areas, deviation = [], None
    for stage in (one for one in _STAGES if one in stages):
        found = histogram(stages[stage], "count")
        if found is not None:
            edges, count = found
            areas.append(Area(edges, _part(np.log1p(count), np.log1p(count)), _STAGES[stage]))
            deviation = _deviation(edges, count)
    return Ridge(name, tuple(areas), f"std {shown(deviation)}")


def _ratios(rows: Rows) -> Card | None:
    layers = _by_layer(rows, "snr_histogram", ("count", "kept"))
    if not layers:
        return None
    chosen, note = _largest(layers, "count")
    ridges = [_ratio_ridge(name, each.get("compressed") or each["dense"]) for name, each in chosen.items()]
    return Card(
        "snr",
        "Signal-to-noise ratio by layer",
        "How sure the posterior is of each weight, |mean| / standard deviation: two hills show a posterior that tells "
        "weights that matter from those that do not.",
        _told(ridges),
        draw("snr", lambda figure: _paint(figure, ridges, "signal-to-noise ratio", powers=True), height=_tall(ridges)),
        legend=(Key("all weights", "muted", "pale"), Key("kept", "series-1")),
        note=note,
    )


def _ratio_ridge(name: str, row: Measurement) -> Ridge:
    found = histogram(row, "count", "kept")
    if found is None:
        return Ridge(name, (), "")
    edges, count, kept = found
    areas = (Area(edges, _part(count, count), MUTED), Area(edges, _part(kept, count), SERIES[0]))
    return Ridge(name, areas, f"{100 * float(kept.sum()) / max(float(count.sum()), 1.0):.3g} % kept")


def _prior(rows: Rows) -> Card | None:
    found = [curve for curve in (columns(row, "x", "density") for row in select(rows, "prior_density")) if curve]
    if not found:
        return None
    x, density = found[-1]
    density = np.nan_to_num(density, nan=0.0, posinf=0.0)
    peak = float(density.max())
    if peak <= 0:
        return None

    def paint(figure: Figure) -> None:
        axes = pane(figure, left=0.15)
        drawn = np.where(density > peak * _FLOOR, density, np.nan)
        axes.fill_between(x, drawn, peak * _FLOOR, color=SERIES[0], alpha=0.25, linewidth=0)
        axes.plot(x, drawn, color=SERIES[0])
        axes.set_yscale("log")
        axes.set_ylim(peak * _FLOOR, peak * 2)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_major_formatter(FuncFormatter(_level))
        axes.set_xlabel("weight")
        name_vertical(axes, "density")

    return Card(
        "prior",
        "The prior",
        "What was believed of a weight before any data, on a logarithmic scale: a narrow peak asks for zeros, broad "
        "shoulders let the weights that matter be large.",
        f"The density is highest, {shown(peak)}, at {shown(float(x[int(density.argmax())]))}.",
        draw("prior", paint),
    )


def _paint(figure: Figure, ridges: Sequence[Ridge], name: str, *, powers: bool = False) -> None:
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
        axes.xaxis.set_major_formatter(FuncFormatter(_power if powers else _level))
        axes.tick_params(labelbottom=last, length=3 if last else 0)
        axes.text(0.0, 0.95, ridge.name, transform=axes.transAxes, va="top", fontsize=9, color=INK)
        axes.text(1.0, 0.95, ridge.word, transform=axes.transAxes, va="top", ha="right", fontsize=9, color=MUTED)
    figure.axes[-1].set_xlabel(name)


def _by_layer(rows: Rows, what: str, names: tuple[str, ...]) -> dict[str, dict[str, Measurement]]:
    layers: dict[str, dict[str, Measurement]] = {}
    for row in select(rows, what):
        if histogram(row, *names) is not None:
            stage = "dense" if variant(row).stage == "dense" else "compressed"
            layers.setdefault(tail(clean(row.of.get("layer", "all weights")), 28), {})[stage] = row
    return layers


def _largest(layers: Layers, name: str) -> tuple[Layers, str]:
    """Keeps the layers with the most weights, in their order, and says how many are left out."""
    sizes = {key: max(_total(row, name) for row in each.values()) for key, each in layers.items()}
    kept = sorted(sizes, key=lambda key: -sizes[key])[:_MOST]
    note = f"The {_MOST} largest of {len(layers)} layers are drawn." if len(layers) > _MOST else ""
    return {key: each for key, each in layers.items() if key in kept}, note


def _total(row: Measurement, name: str) -> float:
    found = histogram(row, name)
    return float(found[1].sum()) if found is not None else 0.0


def _part(counts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return counts / max(float(whole.max()), 1e-12)


def _deviation(edges: np.ndarray, count: np.ndarray) -> float | None:
    total = float(count.sum())
    if total <= 0:
        return None
    middle = (edges[1:] + edges[:-1]) / 2
    mean = float((middle * count).sum()) / total
    return float(np.sqrt((count * (middle - mean) ** 2).sum() / total))


def _told(ridges: Sequence[Ridge]) -> str:
    return "; ".join(f"{ridge.name}: {ridge.word}" for ridge in ridges) + "."


def _tall(ridges: Sequence[Ridge]) -> float:
    return 0.45 + max(2.35, 0.58 * len(ridges)) if len(ridges) > 2 else 0.45 + 0.9 * len(ridges)


def _level(value: float, _: int) -> str:
    return f"{value:g}".replace("-", "−")


def _power(value: float, _: int) -> str:
    return f"{10.0**value:g}" if -3.5 < value < 4.5 else f"1e{value:g}".replace("-", "−")
