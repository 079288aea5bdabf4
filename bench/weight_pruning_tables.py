"""The tables of the weight pruning study, from its rows (mean over seeds ± half range)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.markdown import mean_and_half_range, table
from bitsback.measure.journal import Measurement
from examples.weight_pruning.evidence import by_dataset, counted, over_seeds
from examples.weight_pruning.methods import DATASETS, METHODS
from examples.weight_pruning.worth import POSTERIOR, PRUNED, duels

FIGURES = {
    "predictive_accuracy": ("accuracy, %", 100.0, 2),
    "nll": ("NLL, nats", 1.0, 4),
    "ece": ("ECE, %", 100.0, 2),
    "ood_auroc_total": ("OOD AUROC, total", 1.0, 3),
    "ood_auroc_knowledge": ("OOD AUROC, knowledge", 1.0, 3),
}
_UNCERTAIN = [what for what in FIGURES if what != "predictive_accuracy"]

Key = tuple[str, str, int, str]
"""Dataset, method, epochs and saliency: a line of a table."""


def accuracy(rows: Sequence[Measurement]) -> str:
    """Accuracy in percent, a line a method and saliency, a column a sparsity."""
    found = {what: by_line(rows, what) for what in ("accuracy", "predictive_accuracy")}
    sparsities = sorted({sparsity for cells in found["accuracy"].values() for sparsity in cells})
    lines = []
    for key in ordered(found["accuracy"]):
        dataset, method, epochs, saliency = key
        start = [DATASETS.get(dataset, dataset), _title(method), saliency, str(epochs)]
        lines.append(start + _cells(found["accuracy"][key], sparsities, 100.0, 2))
        if key in found["predictive_accuracy"] and found["predictive_accuracy"][key] != found["accuracy"][key]:
            start[1] += ", predictive"
            lines.append(start + _cells(found["predictive_accuracy"][key], sparsities, 100.0, 2))
    return table(["data", "method", "pruned by", "epochs", *(f"{sparsity:.0%}" for sparsity in sparsities)], lines)


def uncertainty(rows: Sequence[Measurement]) -> str:
    """What the predictive distribution is worth, at 0 % and 90 % pruned, where it was asked for."""
    found = {what: by_line(rows, what) for what in FIGURES}
    plain = by_line(rows, "accuracy")
    lines = []
    for key in ordered(plain):
        known = {share for what in _UNCERTAIN for share in found[what].get(key, {})}
        for sparsity in sorted({0.0, 0.9} & set(plain[key]) & known):
            dataset, method, epochs, saliency = key
            start = [DATASETS.get(dataset, dataset), _title(method), saliency, str(epochs)]
            cells = [_figure(found, plain, what, key, sparsity) for what in FIGURES]
            lines.append([*start, f"{sparsity:.0%}", *cells])
    names = [title for title, _, _ in FIGURES.values()]
    return table(["data", "method", "pruned by", "epochs", "pruned", *names], lines)


def worth(rows: Sequence[Measurement]) -> str:
    """The pruned posterior beside the best unpruned SGD network, figure by figure; the better one is bold."""
    lines = []
    for dataset, part in by_dataset(counted(rows)).items():
        for duel in duels(part):
            title, scale, digits = FIGURES[duel.what]
            both = [mean_and_half_range(values, digits, scale) for values in (duel.posterior, duel.baseline)]
            better = [duel.lead > 0, duel.lead < 0]
            cells = [f"**{text}**" if won else text for text, won in zip(both, better, strict=True)]
            against = METHODS[duel.method].title + (", its total" if duel.opponent != duel.what else "")
            lines.append([DATASETS[dataset], title, *cells, against])
    return table(["data", "figure", f"{METHODS[POSTERIOR].title}, {PRUNED:.0%} pruned", "best SGD", "which"], lines)


def by_line(rows: Sequence[Measurement], what: str) -> dict[Key, dict[float, list[float]]]:
    """The newest values of one figure: line → sparsity → one value a seed."""
    found: dict[Key, dict[float, list[float]]] = defaultdict(dict)
    for key, values in over_seeds(rows, what, "dataset", "method", "epochs", "saliency", "sparsity").items():
        dataset, method, epochs, saliency, sparsity = key
        found[str(dataset), str(method), int(epochs), str(saliency)][float(sparsity)] = values
    return dict(found)


def ordered(lines: dict[Key, dict[float, list[float]]]) -> list[Key]:
    """The lines in the order of `DATASETS` and `METHODS`, others after them."""

    def place(known: Mapping[str, object], name: str) -> int:
        return list(known).index(name) if name in known else len(known)

    return sorted(lines, key=lambda key: (place(DATASETS, key[0]), place(METHODS, key[1]), key))


def _title(method: str) -> str:
    return METHODS[method].title if method in METHODS else method


def _cells(values: dict[float, list[float]], sparsities: Sequence[float], scale: float, digits: int) -> list[str]:
    return [mean_and_half_range(values[each], digits, scale) if each in values else "" for each in sparsities]


def _figure(
    found: dict[str, dict[Key, dict[float, list[float]]]],
    plain: dict[Key, dict[float, list[float]]],
    what: str,
    key: Key,
    sparsity: float,
) -> str:
    """One cell; a point estimate's predictive accuracy is its accuracy."""
    _, scale, digits = FIGURES[what]
    values = found[what].get(key, {}).get(sparsity)
    if values is None and what == "predictive_accuracy":
        values = plain[key][sparsity]
    return mean_and_half_range(values, digits, scale) if values else ""
