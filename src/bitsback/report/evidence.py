"""Which rows of the journal a table or a figure is made of.

Nothing here raises on what is missing or malformed: a row that cannot be read is a row that is not there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bitsback.measure.abstain import OF_A_THRESHOLD
from bitsback.measure.journal import TIMED, Measurement, latest
from bitsback.report.quantity import clean, ratio

Rows = Sequence[Measurement]

_STAGES = ("dense", "compressed")
SHIPS = "ships"
FORMS = ("point", "ensemble", "propagated", "stochastic")


class Variant(NamedTuple):
    """A network that was measured: its stage ("dense", "compressed") and the form that predicts."""

    stage: str
    form: str

    @property
    def name(self) -> str:
        """The words for it: "dense point"."""
        return clean(f"{self.stage} {self.form}", 40)


REFERENCE = Variant("dense", "point")


def newest(rows: Iterable[Measurement]) -> list[Measurement]:
    """Gives the last row for each (what, of), a latency's for each device, oldest first.

    The size of one network never stands beside the quality of another: for each stage and form, rows about another
    program than the newest are left out, and rows about a compressed network of another sparsity than the newest. So are
    figures of a threshold but for the newest one, latencies of native libraries, and rows whose `of` holds a list. Every row
    about the network that was packed last says that it `ships`.
    """
    default = [row for row in rows if "engine" not in row.of]
    readable = [row for row in default if all(isinstance(found, str | int | float) for found in row.of.values())]
    ordered = sorted(latest(_marked(readable), by_device=True), key=lambda row: str(row.time))
    sparsity = packed_sparsity(ordered)
    fitting = [row for row in ordered if not is_packed(row) or number(row, "sparsity") in {None, sparsity}]
    programs = {variant(row): row.of["program"] for row in fitting if "program" in row.of}
    thresholds = {(row.what, variant(row)): row for row in fitting if row.what in OF_A_THRESHOLD}
    return [
        row
        for row in fitting
        if row.of.get("program") in {None, programs.get(variant(row))}
        and thresholds.get((row.what, variant(row)), row) is row
    ]


def _marked(rows: Rows) -> list[Measurement]:
    """Puts the mark of the row that `pack` wrote last on every row about the same network, and on no other."""
    packed = [variant(row) for row in rows if row.of.get(SHIPS)]
    plain = [replace(row, of={key: said for key, said in row.of.items() if key != SHIPS}) for row in rows]
    return [replace(row, of={**row.of, SHIPS: True}) if variant(row) in packed[-1:] else row for row in plain]


def packed_sparsity(rows: Rows) -> float | None:
    """Gives the sparsity of the compressed network, as its newest row says it; sweeps try others and do not count."""
    said = (number(row, "sparsity") for row in reversed(rows) if is_packed(row))
    return next((one for one in said if one is not None), None)


def is_packed(row: Measurement) -> bool:
    """Says whether a row is about the compressed network that ships, and not about one that a sweep tried."""
    return row.of.get("stage") == "compressed" and not row.of.get("sweep")


def is_regression(rows: Rows) -> bool:
    """Says whether errors were measured in the targets' units: then there are no right and wrong answers."""
    measured = {row.what for row in rows}
    return "rmse" in measured and "accuracy" not in measured


def is_imported(rows: Rows) -> bool:
    """Tells whether the posterior was made elsewhere, so that nothing was fitted here."""
    return any(row.what == "imported_parameters" for row in rows)


def outsiders(rows: Rows) -> str:
    """Names the out-of-distribution set, as the newest row that knows it does; empty where none does."""
    found = [row.of["out_of_distribution"] for row in rows if "out_of_distribution" in row.of]
    return clean(found[-1], 40) if found else ""


def select(rows: Rows, what: str, **of: object) -> list[Measurement]:
    """Gives the rows of `what` whose `of` has these values; a value of None asks that the key is absent."""
    return [row for row in rows if row.what == what and all(row.of.get(key) == value for key, value in of.items())]


def settled(rows: Rows) -> list[Measurement]:
    """Leaves out sweeps, perturbed inputs, single layers and every split but the test split."""
    return [
        row
        for row in rows
        if not row.of.get("sweep")
        and "perturbation" not in row.of
        and "layer" not in row.of
        and row.of.get("split", "test") == "test"
    ]


def devices(rows: Rows) -> list[str]:
    """Names the devices that latencies were measured on, the one with the newest first."""
    return list(dict.fromkeys(row.device for row in reversed(rows) if row.what in TIMED and finite(row)))


def on(rows: Rows, device: str) -> list[Measurement]:
    """Leaves out latencies of other devices."""
    return [row for row in rows if row.what not in TIMED or row.device == device]


def variant(row: Measurement) -> Variant:
    """Gives the network a row is about; what is not said is the empty string."""
    return Variant(str(row.of.get("stage", "")), str(row.of.get("form", "")))


def variants(rows: Iterable[Measurement]) -> list[Variant]:
    """Gives the networks that rows are about: dense before compressed, point before ensemble, others by name."""
    return sorted({variant(row) for row in rows}, key=_rank)


def shipped(rows: Iterable[Measurement]) -> Variant | None:
    """Gives the network that the page is about: what was packed, else the last that is compressed, else the last."""
    rows = list(rows)
    packed = [variant(row) for row in rows if row.of.get(SHIPS)]
    found = packed[-1:] or variants(rows)
    compressed = [one for one in found if one.stage == "compressed"]
    return (compressed or found or [None])[-1]


def value(rows: Rows, what: str, which: Variant, **of: object) -> Measurement | None:
    """Gives the last row of `what` for one network that has a finite value."""
    found = [row for row in select(rows, what, **of) if variant(row) == which and finite(row)]
    return found[-1] if found else None


def factor(rows: Rows, what: str, which: Variant, other: Variant = REFERENCE, /, **of: object) -> float | None:
    """Gives how many times smaller a figure of one network is than that of another; None where that is not known.

    That of a latency is measured, as the median of the rounds' own ratios; it is not the ratio of two medians.
    """
    if which == other:
        return None
    if what == "latency":
        measured = value(rows, "latency_ratio", which, beside=None if other == REFERENCE else other.name, **of)
        return None if measured is None else ratio(measured.value, 1.0)
    now, before = value(rows, what, which, **of), value(rows, what, other, **of)
    return None if now is None or before is None else ratio(now.value, before.value)


def finite(row: Measurement) -> bool:
    """Says whether a row has a value that can be drawn."""
    return isinstance(row.value, int | float) and bool(np.isfinite(row.value))


def number(row: Measurement, key: str) -> float | None:
    """Gives a number from a row's `of`; None where there is none."""
    found = row.of.get(key)
    return float(found) if isinstance(found, int | float) and np.isfinite(found) else None


def column(row: Measurement, name: str) -> np.ndarray | None:
    """Gives one list of a series row as float64 [N], None in it as NaN; None where it is no list of numbers."""
    try:
        found = np.array((row.series or {})[name], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.ndim == 1 and found.size else None


def columns(row: Measurement, *names: str) -> tuple[np.ndarray, ...] | None:
    """Gives several lists of a series row, float64 [N] each; None unless all are there and equally long."""
    found = [column(row, name) for name in names]
    present = tuple(one for one in found if one is not None)
    whole = len(present) == len(names) and len({one.size for one in present}) == 1
    return present if whole else None


def histogram(row: Measurement, *names: str) -> tuple[np.ndarray, ...] | None:
    """Gives `edges` [N + 1] and the named counts [N] each; None unless they fit and edges grow."""
    edges = column(row, "edges")
    counts = columns(row, *names)
    if edges is None or counts is None or edges.size != counts[0].size + 1:
        return None
    grows = bool(np.all(np.isfinite(edges)) and np.all(np.diff(edges) > 0))
    return (edges, *(np.nan_to_num(one, nan=0.0, posinf=0.0).clip(min=0.0) for one in counts)) if grows else None


def _rank(one: Variant) -> tuple[int, int, str, str]:
    stage = _STAGES.index(one.stage) if one.stage in _STAGES else len(_STAGES)
    form = FORMS.index(one.form) if one.form in FORMS else len(FORMS)
    return stage, form, one.stage, one.form
