"""The study's figures for one data set, drawn with the report's own pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np
from matplotlib.figure import Figure

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import columns, select
from bitsback.report.figures import bars, ridges
from bitsback.report.figures.canvas import MUTED, SERIES, Card, Key, draw
from bitsback.report.figures.curves import Axis, plot
from bitsback.report.figures.lines import Line, Style, described, style
from bitsback.report.figures.sparsity import against, position
from bitsback.report.quantity import shown
from examples.weight_pruning.evidence import Rows, methods, over_seeds, percent, seconds_to
from examples.weight_pruning.methods import DATASETS, METHODS, PUBLISHED, SPARSITIES
from examples.weight_pruning.worth import POSTERIOR, PRUNED

_TALL = 3.5  # inches: all methods' names stand under one another
_OTHERS = [name for name in METHODS if name not in {POSTERIOR, "sgd"}]
_STYLES = {
    POSTERIOR: style(0),
    "sgd": Style(MUTED, dashed=True),
    **{name: style(slot) for slot, name in enumerate(_OTHERS, start=1)},
}


@dataclass(frozen=True)
class _Curve:
    """A column of the loss curves: how it is called, drawn and explained."""

    name: str
    axis: Axis
    caption: str


_CURVES = {
    "loss": _Curve("loss", Axis("loss (nats)"), "The objective a datum; that of the posterior counts its KL, too."),
    "nll": _Curve(
        "NLL while training", Axis("NLL (nats)"), "The data's part of the objective, comparable between methods."
    ),
    "test_accuracy": _Curve(
        "test accuracy while training",
        Axis("accuracy", "share", linear=True),
        "At the posterior mean; nothing is chosen by it. Dotted: unpruned SGD, as published.",
    ),
}
_RATIOS = {
    "std_histogram": (
        "standard deviation",
        f"Whether the variance alone tells which weights survive {percent(PRUNED)} pruning by "
        "signal-to-noise. Heights are logarithmic: a small step down is many times fewer.",
    ),
    "snr_histogram": (
        "signal-to-noise ratio",
        "|mean| / standard deviation, by which is pruned: those on the right stay. Were the variances collapsed, "
        "there would be no hill below 1.",
    ),
}


def accuracy(rows: Rows, dataset: str) -> list[Card]:
    """Accuracy against sparsity, with the published figures as faint marks."""
    found = over_seeds(rows, "accuracy", "method", "saliency", "sparsity")
    ways = [(method, saliency) for method in methods(rows) for saliency in METHODS[method].saliencies]
    lines = []
    for method, saliency in ways:
        at = {float(key[2]): values for key, values in sorted(found.items()) if key[:2] == (method, saliency)}
        if at:
            lines.append(_line(_label(method, saliency), list(at), list(at.values()), _look(method, saliency)))

    def paint(figure: Figure) -> None:
        axes = against(figure, lines, Axis("accuracy", "share", limits=(0.0, 1.0)))
        for method, known in PUBLISHED[dataset].items():
            look, places = _STYLES[method], position(np.array(SPARSITIES[: len(known)]))
            axes.plot(places, known, look.mark, color=look.colour, alpha=0.5, fillstyle="none", markersize=6)

    caption = (
        "Without retraining; where a line is flat, pruning is free. Equal steps halve what is kept. Hollow marks: as "
        "published; bands: the range of the seeds."
    )
    key, name = f"accuracy-{dataset}", f"{DATASETS[dataset]}: accuracy against sparsity"
    return [Card(key, name, caption, described(lines, "share"), draw(key, paint, height=_TALL))] if lines else []


def training(rows: Rows, dataset: str) -> list[Card]:
    """The loss, its negative log likelihood and the test accuracy over the epochs."""
    made = ((part, [_curve(rows, method, part) for method in methods(rows)]) for part in _CURVES)
    return [_training(dataset, part, [line for line in lines if line]) for part, lines in made if any(lines)]


def _training(dataset: str, part: str, lines: list[Line]) -> Card:
    curve = _CURVES[part]

    def paint(figure: Figure) -> None:
        axes = plot(figure, lines, Axis("epoch", "count"), curve.axis)
        if part == "test_accuracy":
            axes.axhline(PUBLISHED[dataset]["sgd"][0], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)

    key, told = f"{part.replace('_', '-')}-{dataset}", described(lines, curve.axis.kind)
    return Card(key, f"{DATASETS[dataset]}: {curve.name}", curve.caption, told, draw(key, paint, height=_TALL))


def weights(rows: Rows, dataset: str) -> list[Card]:
    """The weights of every method; standard deviations and signal-to-noise ratios, with those that survive marked."""
    found = {method: _first_seed(rows, "weight_histogram", method) for method in methods(rows)}
    drawn = [ridges.of_values(METHODS[name].title, [(row, SERIES[0])]) for name, row in found.items() if row]
    cards = [_weights(dataset, [ridge for ridge in drawn if ridge.areas])]
    for what, (name, caption) in _RATIOS.items():
        kept = [
            ridges.of_kept(f"{METHODS[str(row.of['method'])].title}, seed {row.seed}", row, logarithmic=True)
            for row in select(rows, what)
        ]
        cards.append(_ratios(f"{what.removesuffix('_histogram')}-{dataset}", dataset, name, caption, kept))
    return [card for card in cards if card is not None]


def _weights(dataset: str, found: list[ridges.Ridge]) -> Card | None:
    key, caption = (
        f"weights-{dataset}",
        "How often each value occurs in one seed's unpruned network; heights are logarithmic.",
    )
    if not found:
        return None
    return Card(key, f"{DATASETS[dataset]}: weights", caption, ridges.told(found), ridges.drawn(key, found, "weight"))


def _ratios(key: str, dataset: str, name: str, caption: str, found: list[ridges.Ridge]) -> Card | None:
    found = [ridge for ridge in found if ridge.areas]
    if not found:
        return None
    legend = (Key("all weights", "muted", "pale"), Key(f"the {percent(1 - PRUNED)} that survive", "series-1"))
    svg = ridges.drawn(key, found, name, powers=True)
    return Card(key, f"{DATASETS[dataset]}: {name}", caption, ridges.told(found), svg, legend)


def time(rows: Rows, dataset: str) -> list[Card]:
    """Wall time of an epoch, and until the published accuracy."""
    wanted = PUBLISHED[dataset]["sgd"][0]
    epoch = {name: over_seeds(rows, "epoch_seconds", "method").get((name,), []) for name in methods(rows)}
    reached = {name: seconds_to(wanted, select(rows, "loss_curve", method=name)) for name in methods(rows)}
    there = {name: [one for one in each if one is not None] for name, each in reached.items()}
    never = [METHODS[name].title for name, each in reached.items() if each and not there[name]]
    caption = (
        f"Training time until the test accuracy first is {shown(wanted, 'share')}, that of unpruned SGD as published."
    )
    return [
        *_bars(
            f"epoch-{dataset}",
            f"{DATASETS[dataset]}: time per epoch",
            "The median over epochs, mean of the seeds.",
            epoch,
        ),
        *_bars(
            f"reached-{dataset}",
            f"{DATASETS[dataset]}: time to the published accuracy",
            caption + (f" Never there: {'; '.join(never)}." if never else ""),
            there,
        ),
    ]


def _bars(key: str, name: str, caption: str, seconds: Mapping[str, Sequence[float]]) -> list[Card]:
    lengths = tuple((METHODS[method].title, 0.0, mean(each)) for method, each in seconds.items() if each)
    return [bars.card(bars.Bars(key, name, caption, "seconds", ("", ""), lengths))] if lengths else []


def latency(rows: Rows, dataset: str) -> list[Card]:
    """The latency of each pruned network in times of the unpruned one."""
    found = over_seeds(rows, "latency_ratio", "method", "sparsity")
    lines = []
    for method in methods(rows):
        at = {float(share): values for (name, share), values in sorted(found.items()) if name == method}
        if at:
            lines.append(_line(METHODS[method].title, [0.0, *at], [[1.0], *at.values()], _STYLES[method]))
    key, name = f"latency-{dataset}", f"{DATASETS[dataset]}: latency against sparsity"
    caption = "In times of the unpruned network, timed in the same run; a zero is multiplied like any other number."
    top = 1.25 * max((float(line.y.max()) for line in lines), default=1.0)

    def paint(figure: Figure) -> None:
        against(figure, lines, Axis("latency ratio", limits=(0.0, top)))

    return [Card(key, name, caption, described(lines, "number"), draw(key, paint, height=_TALL))] if lines else []


def _label(method: str, saliency: str) -> str:
    """A name that fits beside its line."""
    own = saliency == METHODS[method].own_saliency
    return METHODS[method].title if own else f"{METHODS[method].title.split()[0]}, by {saliency}"


def _look(method: str, saliency: str) -> Style:
    own = saliency == METHODS[method].own_saliency
    return _STYLES[method] if own else Style(_STYLES[method].colour, dashed=True)


def _line(label: str, x: Sequence[float], values: Sequence[Sequence[float]], look: Style) -> Line:
    """The mean of the seeds at each x, with their range as bounds."""
    middle, low, high = (np.array([pick(each) for each in values]) for pick in (mean, min, max))
    return Line(label, np.array(x), middle, look, low, high)


def _curve(rows: Rows, method: str, part: str) -> Line | None:
    """One column of the loss curves over the epochs that all seeds have."""
    curves = (columns(row, "epoch", part) for row in select(rows, "loss_curve", method=method))
    found = [curve for curve in curves if curve is not None]
    if not found:
        return None
    epochs = min((curve[0] for curve in found), key=len)
    values = [curve[1][: len(epochs)] for curve in found]
    line = _line(METHODS[method].title, epochs.tolist(), np.transpose(values).tolist(), _STYLES[method])
    return replace(line, marked=False)


def _first_seed(rows: Rows, what: str, method: str) -> Measurement | None:
    return min(select(rows, what, method=method), key=lambda row: row.seed or 0, default=None)
