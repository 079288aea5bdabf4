"""The study's tables on a terminal, beside the published one, and its accuracies as one line of JSON."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean

from rich.console import Console
from rich.table import Table

from bitsback.errors import DataError
from bitsback.measure.journal import Measurement, latest
from examples.weight_pruning.methods import DATASETS, EPOCHS, METHODS, PUBLISHED, SPARSITIES

_UNCERTAINTY = (
    "predictive_accuracy",
    "nll",
    "brier",
    "ece",
    "ood_auroc_total",
    "ood_auroc_knowledge",
    "confident_errors",
)
_COST = ("epoch_seconds", "seconds_to_published_accuracy", "latency_ratio", "survival_auroc", "kl")

Accuracies = dict[str, dict[str, dict[str, float]]]


def show(rows: Sequence[Measurement], console: Console) -> None:
    """Prints the tables; the last line is the JSON of `accuracies`.

    Raises:
        DataError: there are no rows yet.
    """
    if not rows:
        raise DataError("the journal holds no rows of the study yet; run it with --data DIR first")
    newest = [row for row in latest(rows, by_seed=True) if _of_the_study(row)] or latest(rows, by_seed=True)
    found = accuracies(newest)
    for dataset in DATASETS:
        if dataset.replace("-", "_") in found:
            console.print(_accuracy_table(dataset, found[dataset.replace("-", "_")]))
            console.print(_figures_table(f"{dataset}: the predictive distribution", newest, dataset, _UNCERTAINTY))
            console.print(_figures_table(f"{dataset}: cost, and what predicts survival", newest, dataset, _COST))
    print(json.dumps(found))


def _of_the_study(row: Measurement) -> bool:
    """Whether a row is of a method at the study's own number of epochs, and no shorter trial."""
    method = METHODS.get(str(row.of.get("method")))
    return method is not None and row.of.get("epochs") == (method.epochs or EPOCHS)


def accuracies(rows: Sequence[Measurement]) -> Accuracies:
    """Data set → method → percent pruned → accuracy (mean over seeds), each method pruned by its own saliency."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        method = METHODS.get(str(row.of.get("method")))
        if row.what == "accuracy" and row.value is not None and method and row.of["saliency"] == method.own_saliency:
            percent = f"{float(row.of['sparsity']) * 100:g}"
            values[str(row.of["dataset"]).replace("-", "_"), str(row.of["method"]), percent].append(row.value)
    found: Accuracies = defaultdict(lambda: defaultdict(dict))
    for (dataset, method, percent), each in values.items():
        found[dataset][method][percent] = round(mean(each), 6)
    return {dataset: dict(methods) for dataset, methods in found.items()}


def _accuracy_table(dataset: str, found: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=f"{dataset}: accuracy by share pruned (published in brackets)")
    table.add_column("method")
    percents = [f"{sparsity * 100:g}" for sparsity in SPARSITIES]
    for percent in percents:
        table.add_column(f"{percent} %", justify="right")
    for method, values in found.items():
        published = PUBLISHED[dataset].get(method, ())
        cells = [f"{values[p]:.4f}" if p in values else "" for p in percents]
        cells = [f"{c} ({published[i]:.4f})" if i < len(published) else c for i, c in enumerate(cells)]
        table.add_row(method, *cells)
    return table


def _figures_table(title: str, rows: Sequence[Measurement], dataset: str, whats: Sequence[str]) -> Table:
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.of.get("dataset") == dataset and row.what in whats and row.value is not None:
            which = row.of.get("predicted_by") or (f"{float(row.of['sparsity']):.0%}" if "sparsity" in row.of else "")
            values[str(row.of["method"]), str(which)][row.what].append(row.value)
    table = Table(title=title)
    for column in ("method", "at", *whats):
        table.add_column(column.replace("_", " "), justify="left" if column in {"method", "at"} else "right")
    for (method, which), each in values.items():
        table.add_row(method, which, *(f"{mean(each[what]):.4g}" if each[what] else "" for what in whats))
    return table
