"""What the weights look like: their values, their signal-to-noise ratio by layer, and the prior they were given."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, columns, histogram, select, variant
from bitsback.report.figures.canvas import MUTED, SERIES, Card, Key, draw, name_vertical, pane, role
from bitsback.report.figures.ridges import EXPECTED, Curve, drawn, level, of_kept, of_values, told
from bitsback.report.quantity import clean, shown, tail

_MOST = 8
_FLOOR = 1e-5
_AS_A_POINT = 2.0  # log10 of the ratio past which a weight has no variance to speak of
_MOST_OF_THEM = 0.5  # share of weights past which the variances have collapsed
_STAGES = {"dense": MUTED, "compressed": SERIES[0]}
Layers = Mapping[str, Mapping[str, Measurement]]


def cards(rows: Rows) -> list[Card]:
    """Draws what the journal has of: weight histograms, signal-to-noise histograms, the prior's density."""
    made = [_weights(rows), _ratios(rows), _prior(rows)]
    return [card for card in made if card is not None]


def remark(rows: Rows) -> str:
    """Says whether the posterior of the weights that are kept still has variances, or is as good as a point."""
    layers = _by_layer(rows, "snr_histogram", ("count", "kept"))
    found = [histogram(_newer(each), "count", "kept") for each in layers.values()]
    ratios = [one for one in found if one is not None]
    before, after = (sum(float(one[index].sum()) for one in ratios) for index in (1, 2))
    if not after:
        return ""
    sure = sum(float(kept[(edges[1:] + edges[:-1]) / 2 > _AS_A_POINT].sum()) for edges, _, kept in ratios) / after
    verdict = "the variances have collapsed" if sure > _MOST_OF_THEM else "the variances have not collapsed"
    whose = "the weights kept" if after < before else "the weights"
    return f"Of {whose}, {100 * sure:.1f} % have a standard deviation below 1 % of their mean: {verdict}."


def _weights(rows: Rows) -> Card | None:
    layers = _by_layer(rows, "weight_histogram", ("count",))
    if not layers:
        return None
    chosen, note = _largest(layers, "count")
    prior = _density(rows)
    stages = [stage for stage in _STAGES if any(stage in each for each in chosen.values())]
    ridges = [
        of_values(name, [(each[stage], _STAGES[stage]) for stage in stages if stage in each], prior)
        for name, each in chosen.items()
    ]
    legend = [Key(stage, *(("muted", "pale") if stage == "dense" else ("series-1",))) for stage in stages]
    return Card(
        "weights",
        "Weights by layer",
        "How often each value occurs, layer by layer; heights are logarithmic, so that the few large weights show. The "
        "number is the standard deviation of those that are left."
        + (" The line is what the prior alone expects." if prior else ""),
        told(ridges),
        drawn("weights", ridges, "weight"),
        legend=(*legend, *([Key("prior", role(EXPECTED), "line")] if prior else [])),
        note=note,
    )


def _ratios(rows: Rows) -> Card | None:
    layers = _by_layer(rows, "snr_histogram", ("count", "kept"))
    if not layers:
        return None
    chosen, note = _largest(layers, "count")
    ridges = [of_kept(name, _newer(each)) for name, each in chosen.items()]
    pruned = any(len(ridge.areas) > 1 for ridge in ridges)
    return Card(
        "snr",
        "Signal-to-noise ratio by layer",
        "How sure the posterior is of each weight, |mean| / standard deviation: two hills show a posterior that tells "
        "weights that matter from those that do not. All beyond 100 would be a point estimate in disguise.",
        told(ridges),
        drawn("snr", ridges, "signal-to-noise ratio", powers=True),
        legend=(Key("all weights", "muted", "pale"), Key("kept", "series-1")) if pruned else (),
        note=note,
    )


def _density(rows: Rows) -> Curve | None:
    """Gives the newest prior: x [N] and density [N]; None where there is none to draw."""
    found = [curve for curve in (columns(row, "x", "density") for row in select(rows, "prior_density")) if curve]
    if not found:
        return None
    x, density = found[-1]
    density = np.nan_to_num(density, nan=0.0, posinf=0.0).clip(min=0.0)
    drawable = bool(np.all(np.isfinite(x)) and np.all(np.diff(x) > 0)) and float(density.max()) > 0
    return (x, density) if drawable else None


def _prior(rows: Rows) -> Card | None:
    found = _density(rows)
    if found is None:
        return None
    x, density = found
    peak = float(density.max())

    def paint(figure: Figure) -> None:
        axes = pane(figure, left=0.15)
        high = np.where(density > peak * _FLOOR, density, np.nan)
        axes.fill_between(x, high, peak * _FLOOR, color=EXPECTED, alpha=0.2, linewidth=0)
        axes.plot(x, high, color=EXPECTED)
        axes.set_yscale("log")
        axes.set_ylim(peak * _FLOOR, peak * 2)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_major_formatter(FuncFormatter(level))
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


def _newer(stages: Mapping[str, Measurement]) -> Measurement:
    return stages.get("compressed") or stages["dense"]


def _total(row: Measurement, name: str) -> float:
    found = histogram(row, name)
    return float(found[1].sum()) if found is not None else 0.0
