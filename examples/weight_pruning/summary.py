"""The study's tables on a terminal, what the posterior is worth in words, and the accuracies as one line of JSON."""

import json
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from rich.console import Console

from bitsback.measure.journal import Measurement
from bitsback.report.tables import on_terminal
from examples.weight_pruning import tables
from examples.weight_pruning.evidence import by_dataset, counted, over_seeds
from examples.weight_pruning.methods import DATASETS, METHODS
from examples.weight_pruning.worth import duels, verdict

Accuracies = dict[str, dict[str, dict[str, float]]]


def show(rows: Sequence[Measurement], console: Console) -> None:
    """Prints the tables; the last line is the JSON of `accuracies`.

    Raises:
        DataError: there are no rows yet.
    """
    chosen = counted(rows)
    parts = by_dataset(chosen)
    for dataset, part in parts.items():
        made = (tables.accuracy, tables.uncertainty, tables.cost, tables.latency, tables.worth)
        for table in (make(part, dataset) for make in made):
            if table is not None:
                console.print(on_terminal(table))
    survival = tables.survival(parts)
    if survival is not None:
        console.print(on_terminal(survival))
    for dataset, part in parts.items():
        found = duels(part)
        if found:
            console.print(f"{DATASETS[dataset]}: {verdict(found)} {'; '.join(duel.told for duel in found)}.")
    print(json.dumps(accuracies(chosen)))


def accuracies(rows: Sequence[Measurement]) -> Accuracies:
    """Data set → method → percent pruned → accuracy (mean over seeds), each method pruned by its own saliency."""
    found: Accuracies = defaultdict(lambda: defaultdict(dict))
    values = over_seeds(rows, "accuracy", "dataset", "method", "saliency", "sparsity")
    for (dataset, method, saliency, sparsity), each in values.items():
        if saliency == METHODS[str(method)].own_saliency:
            percent = f"{float(sparsity) * 100:g}"
            found[str(dataset).replace("-", "_")][str(method)][percent] = round(mean(each), 6)
    return {dataset: dict(methods) for dataset, methods in found.items()}
