"""The tables of the weight pruning study, from its rows (mean over seeds ± half range)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.markdown import mean_and_half_range, table
from bitsback.errors import DataError
from bitsback.measure.journal import Measurement, latest
from examples.weight_pruning.methods import DATASETS, METHODS

FIGURES = {
    "predictive_accuracy": ("accuracy, %", 100.0, 2),
    "nll": ("NLL, nats", 1.0, 4),
    "ece": ("ECE, %", 100.0, 2),
    "ood_auroc_total": ("OOD AUROC, total", 1.0, 3),
    "ood_auroc_knowledge": ("OOD AUROC, knowledge", 1.0, 3),
}

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
    """What the predictive distribution is worth, at 0 % and 90 % pruned: every figure of quality side by side."""
    found = {what: by_line(rows, what) for what in FIGURES}
    plain = by_line(rows, "accuracy")
    lines = []
    for key in ordered(plain):
        for sparsity in sorted({0.0, 0.9} & set(plain[key])):
            dataset, method, epochs, saliency = key
            start = [DATASETS.get(dataset, dataset), _title(method), saliency, str(epochs)]
            cells = [_figure(found, plain, what, key, sparsity) for what in FIGURES]
            lines.append([*start, f"{sparsity:.0%}", *cells])
    names = [title for title, _, _ in FIGURES.values()]
    return table(["data", "method", "pruned by", "epochs", "pruned", *names], lines)


def by_line(rows: Sequence[Measurement], what: str) -> dict[Key, dict[float, list[float]]]:
    """The newest values of one figure: line → sparsity → one value a seed.

    Raises:
        DataError: a row lacks a part of its `of`.
    """
    found: dict[Key, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in latest([row for row in rows if row.what == what], by_seed=True):
        if row.value is None:
            continue
        try:
            of = row.of
            key = (str(of["dataset"]), str(of["method"]), int(of["epochs"]), str(of["saliency"]))
            found[key][float(of["sparsity"])].append(row.value)
        except KeyError as missing:
            raise DataError(
                f"A row {what!r} of the weight pruning study does not say its {missing}: {dict(row.of)}."
            ) from None
    return {key: dict(cells) for key, cells in found.items()}


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
