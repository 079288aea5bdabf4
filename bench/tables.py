"""What is generated in README.md and docs/*.md: tables from results/*.jsonl, and references from the code.

    python -m bench.tables --check     fails where one is not what the rows or the code give
    python -m bench.tables --write     rewrites them

A new table is a line in `TABLES`: a name, the file of its rows, and a function from these to Markdown. What comes from the
code is a line in the `PLACES` of the module that makes it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import (
    layouts,
    one_pass_tables,
    python_reference,
    recipe_reference,
    shared_ensemble_tables,
    structures_tables,
    weight_pruning_tables,
)
from bench.markdown import fill, places, table
from bitsback.errors import BitsbackError, DataError
from bitsback.measure.journal import Journal, Measurement, latest

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Table:
    """Where a table's rows are, what it makes of them, and which they are, where a file has those of several tables."""

    rows: str
    make: Callable[[Sequence[Measurement]], str]
    has: Callable[[Measurement], bool] = lambda _: True


def ratios(rows: Sequence[Measurement]) -> str:
    """A line for each newest ratio: the median with its spread."""
    chosen = [row for row in latest(rows) if row.value is not None and ("_vs_" in row.what or "_ratio" in row.what)]
    if not chosen:
        raise DataError("There is no row of a ratio ('…_vs_…' or '…_ratio') to make a table of.")
    return table(["what", "of", "ratio", "spread", "repeats"], [_ratio_cells(row) for row in chosen])


def _ratio_cells(row: Measurement) -> list[str]:
    spread = "" if row.spread is None else f"{row.spread[0]:.2f}–{row.spread[1]:.2f}"
    of = ", ".join(f"{name} {value}" for name, value in row.of.items())
    return [row.what.replace("_", " "), of, f"{row.value:.2f}×", spread, str(row.repeats)]


TABLES = {
    "training_cost": Table("training_cost.jsonl", ratios),
    "cold_start": Table("cold_start.jsonl", ratios),
    "one_pass_quality": Table("one_pass.jsonl", one_pass_tables.quality, one_pass_tables.is_quality),
    "one_pass_latency": Table("one_pass.jsonl", one_pass_tables.latency, one_pass_tables.is_latency),
    "shared_ensemble_quality": Table(
        "shared_ensemble.jsonl", shared_ensemble_tables.quality, shared_ensemble_tables.is_quality
    ),
    "shared_ensemble_bytes": Table(
        "shared_ensemble.jsonl", shared_ensemble_tables.sizes, shared_ensemble_tables.is_bytes
    ),
    "shared_ensemble_latency": Table(
        "shared_ensemble.jsonl", shared_ensemble_tables.latency, shared_ensemble_tables.is_latency
    ),
    "structures": Table("structures.jsonl", structures_tables.made),
    "layouts": Table("layouts.jsonl", layouts.made),
    "weight_pruning_accuracy": Table("weight_pruning.jsonl", weight_pruning_tables.accuracy),
    "weight_pruning_uncertainty": Table("weight_pruning.jsonl", weight_pruning_tables.uncertainty),
    "weight_pruning_worth": Table("weight_pruning.jsonl", weight_pruning_tables.worth),
}


FROM_CODE = {**recipe_reference.PLACES, **python_reference.PLACES}


def markdown(name: str, results: Path) -> str:
    """What stands in a place: of a table also a line that says where its rows come from.

    Args:
        name: one of `TABLES` or `FROM_CODE`.
        results: the folder of the rows.

    Raises:
        DataError: there is no such table, or there are no rows for it.
    """
    if name in FROM_CODE:
        return FROM_CODE[name]()
    if name not in TABLES:
        raise DataError(f"There is no table {name!r}; there are {', '.join(TABLES)}.")
    made = TABLES[name]
    rows = [row for row in Journal(results / made.rows).read() if made.has(row)]
    if not rows:
        raise DataError(f"The table {name!r} has no rows: results/{made.rows} is missing or has none for it.")
    return f"{made.make(rows)}\n\n{origin(rows)}"


def origin(rows: Sequence[Measurement]) -> str:
    """Which devices, commits and seeds the newest rows come from, and whether the code had uncommitted changes."""
    used = latest(rows, by_seed=True)
    commits = sorted({
        f"`{row.commit[:10]}`{' with uncommitted changes' if row.dirty else ''}" for row in used if row.commit
    })
    seeds = sorted({row.seed for row in used if row.seed is not None})
    devices = sorted({row.device for row in used if row.device})
    said = [
        f"Device: {'; '.join(devices) or 'not stated'}",
        f"commit: {', '.join(commits) or 'not stated'}",
        f"seeds: {', '.join(map(str, seeds)) or 'none'}",
    ]
    return f"<sub>{'. '.join(each[0].upper() + each[1:] for each in said)}.</sub>"


def documents(root: Path) -> list[Path]:
    """The documents that may hold tables."""
    return [path for path in (root / "README.md", *sorted((root / "docs").glob("*.md"))) if path.is_file()]


def stale(root: Path) -> dict[Path, str]:
    """The documents that are not what the rows and the code give, with the text that they should have."""
    found = {}
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        right = fill(text, lambda name: markdown(name, root / "results"))
        if right != text:
            found[path] = right
    return found


def main(words: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Check or write; returns the exit code (1: a table is stale, 2: it cannot be made)."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=(__doc__ or "").splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--check", action="store_true", help="fail where one is not what the rows or the code give")
    which.add_argument("--write", action="store_true", help="rewrite them")
    asked = parser.parse_args(words)
    try:
        wrong = stale(root)
    except BitsbackError as error:
        print(error, file=sys.stderr)
        return 2
    for path, right in wrong.items():
        if asked.write:
            path.write_text(right, encoding="utf-8")
        said = "rewritten" if asked.write else "not what results/ or the code gives; --write rewrites it"
        print(f"{path.relative_to(root)}: {said}")
    if not wrong:
        count = sum(1 for path in documents(root) for _ in places(path.read_text(encoding="utf-8")))
        print(f"{count} tables are what the rows and the code give")
    return int(bool(wrong) and asked.check)


if __name__ == "__main__":
    sys.exit(main())
