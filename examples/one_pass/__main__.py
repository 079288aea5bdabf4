"""The study's command line.

    python -m examples.one_pass --data DIR               fits what is not there yet, measures quality, prints the table
    python -m examples.one_pass --data DIR --only NAME   one posterior; --way NAME: one way to predict

DIR is a folder of named data sets; ResNet-20 starts from DIR/resnet-cifar10/resnet20-12fca82f.th. Rows go to
results/one_pass.jsonl, run folders to runs/one_pass. How fast each way is, python -m bench.one_pass measures.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bitsback.errors import BitsbackError, ExportError
from bitsback.form.propagated import PropagatedForm
from bitsback.given.dataset import Dataset
from bitsback.measure.journal import Journal, Measurement, Scalar, latest, stamp
from bitsback.measure.provenance import provenance
from bitsback.measure.quality import classification
from bitsback.run.fitted import FittedNetwork
from examples.one_pass.posteriors import POSTERIORS, fitted
from examples.one_pass.ways import SETS, WAYS, Predict, Way, drawn, in_pytorch, loaded, together

ROOT = Path(__file__).resolve().parents[2]
JOURNAL, RUNS = ROOT / "results" / "one_pass.jsonl", ROOT / "runs" / "one_pass"
FIGURES = {
    "accuracy": ("accuracy", "1"),
    "nll": ("NLL", "nat"),
    "ece": ("ECE", "1"),
    "ood_auroc_total": ("OOD AUROC, total", "1"),
    "ood_auroc_knowledge": ("OOD AUROC, knowledge", "1"),
}


def main() -> int:
    """Runs what is asked for; errors are one line."""
    parser = argparse.ArgumentParser(prog="python -m examples.one_pass", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--only", choices=list(POSTERIORS), action="append", help="only this posterior")
    parser.add_argument("--way", choices=list(WAYS), action="append", help="only this way to predict")
    parser.add_argument("--inputs", type=int, default=10_000, help="test and other inputs that are looked at, at most")
    parser.add_argument("--journal", type=Path, default=JOURNAL)
    parser.add_argument("--runs", type=Path, default=RUNS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    journal = Journal(asked.journal)
    command = called("examples.one_pass", asked.data)
    try:
        source = provenance(command, 0)  # once: the rows themselves change the tree
        for name in asked.only or POSTERIORS:
            network, data = fitted(name, asked.data, asked.runs)
            for rows in quality(name, (network, data), asked.inputs, asked.way or list(WAYS)):
                journal.append(stamp(rows, source))
        show(latest(journal.read()))
    except BitsbackError as error:
        print(f"one_pass: {error}", file=sys.stderr)
        return 2
    return 0


def called(module: str, data: Path) -> str:
    """The command line for the journal, in which the folder of data is DIR, and any other place of this machine PATH."""
    words = ("DIR" if Path(word) == data else "PATH" if Path(word).is_absolute() else word for word in sys.argv[1:])
    return shlex.join(["python", "-m", module, *words])


def quality(
    name: str, of: tuple[FittedNetwork, Dataset], inputs: int, ways: Sequence[str]
) -> Iterator[list[Measurement]]:
    """The figures of each of some ways to predict, on the test split and on inputs of another kind.

    Yields:
        One way's rows as soon as they are there, so that what was measured outlives what was not.
    """
    network, data = of
    raw, outside = data.test.inputs[:inputs], data.out_of_distribution[:inputs]
    targets = data.test.targets[:inputs]
    for way in ways:
        found_one = predictor(WAYS[way], network, data)
        if found_one is not None:
            predict, engine = found_one
            found = [classification(predict(raw), targets, predict(outside))]
            yield _rows(found, {"posterior": name, "way": way, "engine": engine, "inputs": len(raw)})
    if not {"svi", "svi_all"} & {*ways}:
        return
    inside, strange = drawn(network, raw, sets=SETS), drawn(network, outside, sets=SETS)
    said: dict[str, Scalar] = {"posterior": name, "engine": "PyTorch", "inputs": len(raw)}
    each = [classification(one, targets, other) for one, other in zip(inside, strange, strict=True)]
    yield _rows(each, {**said, "way": "svi"})
    yield _rows([classification(together(inside), targets, together(strange))], {**said, "way": "svi_all"})


def _rows(found: Sequence[Mapping[str, float | None]], of: Mapping[str, Scalar]) -> list[Measurement]:
    """Means over repetitions, with the lowest and the highest where there are several."""
    rows = []
    for what, (_, unit) in FIGURES.items():
        values = [value for each in found if (value := each[what]) is not None]
        spread = (min(values), max(values)) if len(values) > 1 else None
        mean = float(np.mean(values)) if values else None
        rows.append(Measurement(what, mean, unit, of, repeats=len(found), spread=spread))
    return rows


def predictor(way: Way, network: FittedNetwork, data: Dataset) -> tuple[Predict, str] | None:
    """What answers, and in which engine: native kernels where there are such, else PyTorch for what the study is about."""
    if way.native is None:
        return None
    try:
        return loaded(way.native(network, data), (50, 1)).run, "native"
    except ExportError as error:
        print(f"{way.name}: {error}", file=sys.stderr)
        return (in_pytorch(network.program(PropagatedForm())), "PyTorch") if way.name == "one_pass" else None


def show(rows: list[Measurement]) -> None:
    """The table."""
    table = Table("posterior", "way", *(title for title, _ in FIGURES.values()), title="One pass beside sampling")
    for posterior in POSTERIORS:
        for way in WAYS.values():
            of = [row for row in rows if (row.of.get("posterior"), row.of.get("way")) == (posterior, way.name)]
            found = {row.what: row.value for row in sorted(of, key=lambda row: row.time)}
            if found:
                table.add_row(
                    posterior, way.title, *("–" if found[what] is None else f"{found[what]:.4f}" for what in FIGURES)
                )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
