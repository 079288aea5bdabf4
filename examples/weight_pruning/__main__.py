"""The study's command line.

    python -m examples.weight_pruning --data DIR            all jobs that have no rows yet, then the table
    python -m examples.weight_pruning --data DIR --dataset mnist --method sgd --seed 0
    python -m examples.weight_pruning --summary             the tables from the journal; last line JSON
    python -m examples.weight_pruning --report PAGE.html    one page with all figures, from the journal

A job can be stopped at any moment and goes on where it was; two processes may share the jobs by their filters.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bitsback.errors import BitsbackError
from bitsback.given.dataset import DataSettings, load
from bitsback.measure.journal import Journal, stamp
from bitsback.measure.provenance import provenance
from examples.weight_pruning import page, summary
from examples.weight_pruning.methods import DATASETS, EPOCHS, METHODS, OUTSIDE

_ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Runs what is asked for; errors are one line."""
    asked = _arguments()
    journal = Journal(asked.journal)
    try:
        if not (asked.summary or asked.report):
            _run_all(asked, journal)
        if asked.report:
            page.write(journal.read(), asked.report)
            print(f"The page is {asked.report}.", file=sys.stderr)
        if asked.summary or not asked.report:
            summary.show(journal.read(), Console())
    except BitsbackError as error:
        print(f"weight_pruning: {error}", file=sys.stderr)
        return 2
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.weight_pruning", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, help="a folder with mnist/ and fashion-mnist/ (or where the system has them)"
    )
    parser.add_argument("--dataset", choices=list(DATASETS), action="append", help="only this data set")
    parser.add_argument("--method", choices=list(METHODS), action="append", help="only this method")
    parser.add_argument("--seed", type=int, action="append", help="only this seed (default: 0, 1 and 2)")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--journal", type=Path, default=_ROOT / "results" / "weight_pruning.jsonl")
    parser.add_argument("--work", type=Path, default=_ROOT / "runs" / "weight_pruning", help="where checkpoints go")
    parser.add_argument("--summary", action="store_true", help="only print the tables of what the journal holds")
    parser.add_argument("--report", type=Path, metavar="PAGE.html", help="only write a page of what the journal holds")
    return parser.parse_args()


def _run_all(asked: argparse.Namespace, journal: Journal) -> None:
    import torch

    from examples.weight_pruning.job import Job, run

    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    places = {
        str(asked.data): "DIR",
        str(asked.journal): "FILE",
        str(asked.work): "DIR",
    }  # of this machine, nobody else's
    said = [places.get(each, each) for each in sys.argv[1:]]
    command = shlex.join(["python", "-m", "examples.weight_pruning", *said])
    done = {(row.of.get("dataset"), row.of.get("method"), row.seed, row.of.get("epochs")) for row in journal.read()}
    for dataset, method, seed in _chosen(asked):
        epochs = min(asked.epochs, METHODS[method].epochs or asked.epochs)
        if (dataset, method, seed, epochs) in done:
            continue
        # The study compares at the published size: all 60,000 training examples, nothing to choose.
        settings = DataSettings(validation=0, calibration=0, out_of_distribution=OUTSIDE[dataset])
        data = load(dataset, data=asked.data, settings=settings)
        with _bar() as bar:
            task = bar.add_task(f"{dataset} {method} seed {seed}", total=None)
            rows = run(
                Job(dataset, method, seed, epochs),
                data,
                asked.work,
                lambda p, bar=bar, task=task: bar.update(task, completed=p.step, total=p.steps),
            )
        journal.append(stamp(rows, provenance(command, seed)))


def _chosen(asked: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for seed in asked.seed or (0, 1, 2):
        for method in asked.method or METHODS:
            for dataset in asked.dataset or DATASETS:
                yield dataset, method, seed


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


if __name__ == "__main__":
    sys.exit(main())
