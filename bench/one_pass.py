"""What one pass over Gaussians costs beside the deterministic network and beside sampling, in one run.

    python -m bench.one_pass --data DIR            a posterior of each network; rows go to results/one_pass.jsonl
    python -m bench.one_pass --data DIR --quick    at most a minute, nothing is written; last line JSON

Posteriors are those that `python -m examples.one_pass --data DIR` fits, never random ones: what has no row of its quality in
results/one_pass.jsonl gets no figure. One thread; all sides are called from Python, have their outputs allocated beforehand and
take turns; a ratio is the median of the rounds' own ratios. The deterministic reference gives logits alone; the native sides
give probabilities and uncertainties too. In a turn a side is called three times and the last call counts, so that it finds its
own weights in the caches, as in a program that does nothing else ("own"); or once, so that it finds the others' ("others'").
Libraries and tuning trials are kept in runs/one_pass: the first run compiles them.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.floor import floor, is_reference, references
from bench.one_pass_libraries import Kept
from bench.one_pass_sides import (
    bound,
    deterministic,
    ensemble,
    locally_reparametrized,
    one_by_one,
    pyro_predictive,
    stacked,
)
from bitsback.errors import BitsbackError
from bitsback.given.dataset import Dataset
from bitsback.lower.run.native.plan import cost
from bitsback.measure.journal import Journal, Measurement, Scalar, latest, stamp
from bitsback.measure.latency import Candidate, LatencySettings, Pair, latency
from bitsback.measure.provenance import provenance
from bitsback.run.fitted import FittedNetwork
from examples.one_pass.__main__ import JOURNAL, RUNS, called
from examples.one_pass.posteriors import fitted
from examples.one_pass.ways import WAYS

_QUICK = {
    "mlp100-mnist": "mlp100_b1",
    "mlp500-mnist": "mlp500_b1",
    "lenet5-mnist": "lenet5_b1",
    "resnet20-cifar10": "resnet20_b1",
}
_LOST = {"accuracy": 0.002, "ood_auroc_knowledge": 0.005, "ood_auroc_total": 0.005}  # at most, beside the full one pass
_NATIVE = {
    "mlp": ("point", "one_pass", "one_pass_bfloat16", "one_pass_tied"),
    "lenet": ("point", "one_pass", "one_pass_factored"),
    "resnet": ("point", "one_pass", "one_pass_factored"),
}  # by kind of network
_CACHES = {"own": 2, "others'": 0}  # calls of the same side before the one that counts
Call = Callable[[], object]
Make = Callable[[], Call]


@dataclass(frozen=True)
class Asked:
    """What is timed.

    Attributes:
        data: A folder of named data sets.
        runs: Where the posteriors are, and libraries are kept.
        trials: Tuning trials for each shape of a layer.
        quick: Whether it is to take a minute at most.
    """

    data: Path
    runs: Path
    trials: int
    quick: bool

    def ways(self, name: str, admissible: tuple[str, ...]) -> tuple[str, ...]:
        """The native ways of a posterior."""
        found = next(ways for kind, ways in _NATIVE.items() if name.startswith(kind))
        return ("point", *(way for way in found if way in admissible)) if self.quick else found

    def batches(self, name: str) -> tuple[int, ...]:
        """The batches of a posterior."""
        if name.startswith("resnet"):
            return (1,)
        return ((1, 100) if name == "mlp500-mnist" else (1,)) if self.quick else (1, 10, 100)

    def repeats(self, name: str, batch: int) -> int:
        """How many rounds count."""
        slow = name.startswith("resnet") or batch == 100
        return (30 if slow else 150) * (1 if self.quick else 5)


def main() -> int:
    """Measures and prints; writes rows unless quick."""
    parser = argparse.ArgumentParser(prog="python -m bench.one_pass")
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where examples.one_pass put its run folders")
    parser.add_argument("--trials", type=int, default=12, help="tuning trials for each shape of a layer")
    parser.add_argument("--quick", action="store_true", help="the figures of the last line only, few repeats, no rows")
    given = parser.parse_args()
    asked = Asked(given.data, given.runs, given.trials, given.quick)
    torch.set_num_threads(1)
    try:
        admissible = _admissible(latest(Journal(JOURNAL).read()))
        names = [name for name in _QUICK if name in admissible]
        rows = [row for name in names for row in _measured(name, asked, admissible[name])]
    except BitsbackError as error:
        print(f"one_pass: {error}", file=sys.stderr)
        return 2
    if not asked.quick:
        Journal(JOURNAL).append(stamp(rows, provenance(called("bench.one_pass", asked.data), 0)))
    for row in rows:
        spread = "" if row.spread is None else f", quartiles {row.spread[0]:.3g} to {row.spread[1]:.3g}"
        print(f"{row.what} {dict(row.of)}: {row.value:.4g} {row.unit}{spread}", file=sys.stderr)
    print(json.dumps(_figures(rows, admissible)))
    return 0


def _admissible(rows: list[Measurement]) -> dict[str, tuple[str, ...]]:
    """By posterior, the ways in one pass that are no worse on record than the full one by more than `_LOST`."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in sorted(rows, key=lambda row: row.time):
        if "way" in row.of and row.value is not None:
            found.setdefault((str(row.of["posterior"]), str(row.of["way"])), {})[row.what] = row.value
    full = {posterior: line for (posterior, way), line in found.items() if way == "one_pass"}
    return {
        posterior: tuple(
            way
            for way in dict.fromkeys(way for ways in _NATIVE.values() for way in ways[1:])
            if all(found.get((posterior, way), {}).get(what, -1.0) >= line[what] - lost for what, lost in _LOST.items())
        )
        for posterior, line in full.items()
    }


def _measured(name: str, asked: Asked, admissible: tuple[str, ...]) -> list[Measurement]:
    """The rows of one posterior."""
    network, of_data = fitted(name, asked.data, asked.runs)
    ways = asked.ways(name, admissible)
    rows = []
    for batch in asked.batches(name):
        raw = np.ascontiguousarray(np.resize(of_data.test.inputs, (batch, *of_data.input_shape)), np.float32)
        graph = Kept(asked.runs / name).graph("deterministic", partial(deterministic, network))
        sides: dict[str, Call] = {"onnx_runtime": bound(graph, {}, raw)}
        costs: dict[str, tuple[int, int]] = {}
        for way in ways:
            native, costs[way] = _native(way, (name, network, of_data), raw, asked)
            sides |= native
        if batch == 1 and name.startswith("mlp100"):
            sides |= _sampled(network, of_data, raw, quick=asked.quick)
        for caches, again in [*_CACHES.items()][: 1 if asked.quick else 2]:
            settings = LatencySettings(10, asked.repeats(name, batch), batch=batch, again=again)
            timed = _timed(
                {**sides, **references(stored for _, stored in costs.values())},
                settings,
                {"posterior": name, "caches": caches},
            )
            rows += [row for row in timed if not is_reference(str(row.of["side"]))]
            if caches == "own":
                rows += _floors(timed, costs)
    return rows


def _floors(timed: list[Measurement], costs: dict[str, tuple[int, int]]) -> list[Measurement]:
    """What each way asks of a machine at least, and how long that takes."""
    seconds = {str(row.of["side"]): row.value or 0.0 for row in timed if row.what == "latency"}
    of = {key: timed[0].of[key] for key in ("posterior", "batch")}
    rows = []
    for way, (operations, stored) in costs.items():
        for what, value, unit in (
            ("multiply_adds", float(operations), "1"),
            ("weight_bytes", float(stored), "B"),
            ("floor", floor(seconds, operations, stored), "s"),
        ):
            rows.append(Measurement(what, value, unit, {**of, "side": way}))
    return rows


def _native(
    way: str, of: tuple[str, FittedNetwork, Dataset], raw: np.ndarray, asked: Asked
) -> tuple[dict[str, Call], tuple[int, int]]:
    """A way's libraries, with customary and with tuned tiles, and what a call asks of a machine at least."""
    name, network, data = of
    make = WAYS[way].native
    assert make is not None
    found: dict[str, Call] = {}
    operations = stored = 0
    for kept in (Kept(asked.runs / name), Kept(asked.runs / name, asked.trials)):
        if asked.quick and not kept.trials:
            continue
        call, plan = kept.call(way, len(raw), partial(make, network, data))
        call.input[:] = raw
        found[f"{way}_tuned" if kept.trials else way] = call
        operations, stored = cost(plan)
    return found, (operations * len(raw), stored)


def _sampled(network: FittedNetwork, data: Dataset, raw: np.ndarray, *, quick: bool) -> dict[str, Call]:
    """30 draws in every way."""
    found: dict[str, Call] = {
        "svi_predrawn": stacked(network, raw),
        "svi_local_reparametrization": locally_reparametrized(network, data, raw),
        "svi_onnx_runtime": ensemble(network, raw),
    }
    if not quick:
        found["svi_loop"] = one_by_one(network, raw)
        found["svi_pyro"] = pyro_predictive(network, data, raw)
    return found


def _timed(sides: dict[str, Call], settings: LatencySettings, of: dict[str, Scalar]) -> list[Measurement]:
    candidates = [Candidate(call, {**of, "side": side}) for side, call in sides.items()]
    order = list(sides)
    one_pass = [side for side in order if side.startswith("one_pass")]
    points = [side for side in order if side.startswith("point")]
    pairs = [Pair(order.index(side), order.index(point), point) for side in one_pass for point in points]
    drawn = [side for side in order if side.startswith("svi")]
    pairs += [Pair(order.index(side), order.index(way), way) for side in drawn for way in one_pass]
    return latency(candidates[1:], candidates[0], settings, pairs=pairs)


def _figures(rows: list[Measurement], admissible: dict[str, tuple[str, ...]]) -> dict[str, float | None]:
    """The last line: the fastest admissible way over the deterministic network in ONNX Runtime, and three ratios more."""

    def ratio(posterior: str, side: str, beside: str | None = None, batch: int = 1) -> float | None:
        for row in rows:
            of = row.of
            here = (of.get("posterior"), of.get("side"), of.get("beside"), of.get("batch"), of.get("caches"))
            if row.what == "latency_ratio" and here == (posterior, side, beside, batch, "own"):
                return None if row.value is None else round(row.value, 3)
        return None

    def ways(posterior: str) -> list[str]:
        return [f"{way}{tuned}" for way in admissible.get(posterior, ()) for tuned in ("", "_tuned")]

    def over(posterior: str) -> float | None:
        return min(filter(None, (ratio(posterior, way) for way in ways(posterior))), default=None)

    def under(side: str) -> float | None:
        found = (ratio("mlp100-mnist", side, way) for way in ways("mlp100-mnist"))
        return max(filter(None, found), default=None)

    return {
        **{key: over(posterior) for posterior, key in _QUICK.items()},
        "mlp500_b100_same_engine": ratio("mlp500-mnist", "one_pass_tuned", "point_tuned", 100),
        "vs_svi30_predrawn_b1": under("svi_predrawn"),
        "vs_local_reparam_b1": under("svi_local_reparametrization"),
    }


if __name__ == "__main__":
    sys.exit(main())
