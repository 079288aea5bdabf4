"""Which rows of the journal the study's tables and figures are made of, and one figure's values over seeds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import mean

import numpy as np

from bitsback.errors import DataError
from bitsback.measure.journal import Measurement, Scalar, latest
from bitsback.report.evidence import columns
from bitsback.report.quantity import between, quantity, shown
from bitsback.report.tables import Cell
from examples.weight_pruning.methods import DATASETS, EPOCHS, METHODS

Rows = Sequence[Measurement]


def counted(rows: Iterable[Measurement]) -> list[Measurement]:
    """The newest row of every seed, of each method at the study's own number of epochs.

    Trials at other numbers of epochs count only where there is nothing else.

    Raises:
        DataError: there are no rows of any method.
    """
    newest = [row for row in latest(rows, by_seed=True) if row.of.get("method") in METHODS]
    if not newest:
        raise DataError("the journal holds no rows of the study yet; run it with --data DIR first")
    whole = [row for row in newest if row.of.get("epochs") == (METHODS[str(row.of["method"])].epochs or EPOCHS)]
    return whole or newest


def over_seeds(rows: Iterable[Measurement], what: str, *names: str) -> dict[tuple[Scalar, ...], list[float]]:
    """The newest values of one figure: what `names` say of it → one value a seed; what is undefined is left out.

    Raises:
        DataError: a row does not say one of the names.
    """
    found: dict[tuple[Scalar, ...], list[float]] = defaultdict(list)
    for row in latest([row for row in rows if row.what == what], by_seed=True):
        missing = [name for name in names if name not in row.of]
        if missing:
            raise DataError(f"A row {what!r} of the study does not say its {missing[0]!r}: {dict(row.of)}.")
        if row.value is not None:
            found[tuple(row.of[name] for name in names)].append(row.value)
    return dict(found)


def by_dataset(rows: Rows) -> dict[str, Rows]:
    """The rows of each data set, in the study's order; data sets without any are left out."""
    parts = {name: [row for row in rows if row.of.get("dataset") == name] for name in DATASETS}
    return {name: part for name, part in parts.items() if part}


def methods(rows: Rows) -> list[str]:
    """The methods that rows are about, in the study's order."""
    return [name for name in METHODS if any(row.of.get("method") == name for row in rows)]


def percent(share: float) -> str:
    """A round share in percent, as a heading has it."""
    return f"{100 * share:g} %"


def seconds_to(accuracy: float, curves: Iterable[Measurement]) -> list[float | None]:
    """Training time until the test accuracy is first reached, a loss curve each; None where it never is."""
    found = (columns(row, "seconds", "test_accuracy") for row in curves)
    return [_first(np.cumsum(seconds), reached >= accuracy) for seconds, reached in (each for each in found if each)]


def _first(times: np.ndarray, there: np.ndarray) -> float | None:
    return float(times[there.argmax()]) if there.any() else None


def cell(values: Sequence[float], what: str, *, best: bool = False) -> Cell:
    """The mean over seeds, their range in small print where it can be seen; a dash where there are none."""
    if not values:
        return Cell("–")
    kind = quantity(what).kind
    ends = min(values), max(values)
    spread = between(ends, kind) if shown(ends[0], kind) != shown(ends[1], kind) else ""
    return Cell(shown(mean(values), kind), spread=spread, best=best)
