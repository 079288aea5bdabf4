"""The study's command line.

    python -m examples.shared_ensemble --data DIR               fits what is not there yet, measures quality and bytes
    python -m examples.shared_ensemble --data DIR --only NAME   one case; --way NAME: one way to predict

DIR is a folder of named data sets. Rows go to results/shared_ensemble.jsonl, run folders to runs/shared_ensemble. How fast
each way is, python -m bench.shared_ensemble measures.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bitsback.errors import BitsbackError
from bitsback.measure.journal import Journal, Measurement, Scalar, latest, stamp
from bitsback.measure.provenance import provenance
from bitsback.measure.quality import classification
from examples.one_pass.__main__ import called
from examples.shared_ensemble.cases import CASES, Fitted, fitted
from examples.shared_ensemble.storage import coordinates, dense_bytes, taken
from examples.shared_ensemble.ways import BITS, Way, predictors, ways

ROOT = Path(__file__).resolve().parents[2]
JOURNAL, RUNS = ROOT / "results" / "shared_ensemble.jsonl", ROOT / "runs" / "shared_ensemble"
FIGURES = {
    "accuracy": ("accuracy", "1"),
    "nll": ("NLL", "nat"),
    "ece": ("ECE", "1"),
    "ood_auroc_total": ("OOD AUROC, total", "1"),
    "ood_auroc_knowledge": ("OOD AUROC, knowledge", "1"),
    "misclassification_auroc_total": ("misclassification AUROC", "1"),
}


def main() -> int:
    """Runs what is asked for; errors are one line."""
    parser = argparse.ArgumentParser(prog="python -m examples.shared_ensemble", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--only", choices=list(CASES), action="append", help="only this case")
    parser.add_argument("--way", action="append", help="only this way to predict")
    parser.add_argument("--journal", type=Path, default=JOURNAL)
    parser.add_argument("--runs", type=Path, default=RUNS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    journal = Journal(asked.journal)
    try:
        source = provenance(
            called("examples.shared_ensemble", asked.data), 0
        )  # once: the rows themselves change the tree
        for name in asked.only or CASES:
            found = fitted(name, asked.data, asked.runs)
            every = ways(CASES[name].counts, CASES[name].stored)
            chosen = {each: way for each, way in every.items() if each in (asked.way or [each])}
            for rows in measured(name, found, list(chosen.values())):
                journal.append(stamp(rows, source))
        show(latest(journal.read()))
    except BitsbackError as error:
        print(f"shared_ensemble: {error}", file=sys.stderr)
        return 2
    return 0


def measured(name: str, found: Fitted, chosen: Sequence[Way]) -> Iterator[list[Measurement]]:
    """The rows of each way.

    Yields:
        One way's rows as soon as they are there, so that what was measured outlives what was not.
    """
    data, whole = found.data, dense_bytes(found.dense, found.data)
    for way in chosen:
        of: dict[str, Scalar] = {"case": name, "way": way.name, "members": way.members}
        if way.network in {"structure", "shared"}:
            of["sparsity"] = way.of(found).sparsity
        figures = [
            classification(run(data.test.inputs), data.test.targets, run(data.out_of_distribution))
            for run in predictors(way, found)
        ]
        rows = _quality(figures, of)
        if way.members > 1:
            rows += _bytes(way, found, whole, of)
        yield rows


def _quality(figures: Sequence[Mapping[str, float | None]], of: Mapping[str, Scalar]) -> list[Measurement]:
    """Means over networks, with the lowest and the highest where there are several."""
    rows = []
    for what, (_, unit) in FIGURES.items():
        values = [value for each in figures if (value := each[what]) is not None]
        spread = (min(values), max(values)) if len(values) > 1 else None
        mean = float(np.mean(values)) if values else None
        rows.append(Measurement(what, mean, unit, of, repeats=len(values) or 1, spread=spread))
    return rows


def _bytes(way: Way, found: Fitted, whole: int, of: Mapping[str, Scalar]) -> list[Measurement]:
    program = way.program(found)
    sizes = taken(program, found.data)
    rows = [Measurement(what, size, "bytes", of) for what, size in sizes.items()]
    together = sizes["weights_bytes"] + sizes["graph_bytes"]
    rows.append(Measurement("bytes_ratio", together / whole, "1", {**of, "beside": "dense float32"}))
    if way.network == "shared" and way.weights in BITS:
        stacks = {name: each.numpy() for name, each in program.module.state_dict().items() if "drawn__" in name}
        rows += [Measurement(what, size, "bytes", of) for what, size in coordinates(stacks).items()]
    return rows


def show(rows: list[Measurement]) -> None:
    """The table."""
    titles = [title for title, _ in FIGURES.values()]
    table = Table("case", "way", *titles, "bytes / dense", title="Members of one structure beside dense ones")
    keys = list(dict.fromkeys((str(row.of["case"]), str(row.of["way"])) for row in rows if "way" in row.of))
    for case, way in keys:
        found = {row.what: row.value for row in rows if (row.of.get("case"), row.of.get("way")) == (case, way)}
        cells = [found.get(what) for what in (*FIGURES, "bytes_ratio")]
        table.add_row(case, way, *("–" if each is None else f"{each:.4f}" for each in cells))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
