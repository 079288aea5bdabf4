"""What one pass over Gaussians costs beside the deterministic network and beside sampling, in one run.

    python -m bench.one_pass --data DIR            every posterior of examples.one_pass; rows go to results/one_pass.jsonl
    python -m bench.one_pass --data DIR --quick    at most a minute, nothing is written; last line JSON

Posteriors are those that `python -m examples.one_pass --data DIR` fits, never random ones: what has no row of its quality in
results/one_pass.jsonl gets no figure. One thread; all sides have their outputs allocated beforehand and take turns, call by
call; a ratio is the median of the rounds' own ratios. The deterministic reference gives logits alone; the native sides give
probabilities and uncertainties too.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.one_pass_sides import deterministic, ensemble, locally_reparametrized, stacked
from bitsback.errors import BitsbackError, ExportError
from bitsback.given.dataset import Dataset
from bitsback.lower.run.native.plan import cost
from bitsback.measure.journal import Journal, Measurement, latest, stamp
from bitsback.measure.latency import Candidate, LatencySettings, Pair, latency
from bitsback.measure.provenance import provenance
from bitsback.run.fitted import FittedNetwork
from examples.one_pass.__main__ import JOURNAL, RUNS
from examples.one_pass.posteriors import POSTERIORS, fitted
from examples.one_pass.ways import WAYS, loaded

_QUICK = {
    "mlp100-mnist": "mlp100_b1",
    "mlp500-mnist": "mlp500_b1",
    "lenet5-mnist": "lenet5_b1",
    "resnet20-cifar10": "resnet20_b1",  # no native kernel for its average of random positions yet: null
}
_LOST = {"accuracy": 0.002, "ood_auroc_knowledge": 0.005, "ood_auroc_total": 0.005}  # at most, beside the full one pass
_NATIVE = ("point", "one_pass", "one_pass_bfloat16", "one_pass_tied")
Call = Callable[[], object]


def main() -> int:
    """Measures and prints; writes rows unless quick."""
    parser = argparse.ArgumentParser(prog="python -m bench.one_pass")
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where examples.one_pass put its run folders")
    parser.add_argument("--quick", action="store_true", help="the figures of the last line only, few repeats, no rows")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    try:
        admissible = _admissible(latest(Journal(JOURNAL).read()))
        quick = [name for name in _QUICK if not POSTERIORS[name].published]
        names = [name for name in (quick if asked.quick else POSTERIORS) if name in admissible]
        rows = [row for name in names for row in _measured(name, asked.data, asked.runs, quick=asked.quick)]
    except BitsbackError as error:
        print(f"one_pass: {error}", file=sys.stderr)
        return 2
    if not asked.quick:
        command = shlex.join(["python", "-m", "bench.one_pass", *sys.argv[1:]]).replace(str(asked.data), "DIR")
        Journal(JOURNAL).append(stamp(rows, provenance(command, 0)))
    for row in rows:
        spread = "" if row.spread is None else f", quartiles {row.spread[0]:.3g} to {row.spread[1]:.3g}"
        print(f"{row.what} {dict(row.of)}: {row.value:.4g} {row.unit}{spread}", file=sys.stderr)
    print(json.dumps(_figures(rows, admissible)))
    return 0


def _admissible(rows: list[Measurement]) -> dict[str, tuple[str, ...]]:
    """By posterior, the ways in one pass that are no worse on record than the full one by more than `_LOST`."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if "way" in row.of and row.value is not None:
            found.setdefault((str(row.of["posterior"]), str(row.of["way"])), {})[row.what] = row.value
    full = {posterior: line for (posterior, way), line in found.items() if way == "one_pass"}
    return {
        posterior: tuple(
            way
            for way in _NATIVE[1:]
            if all(found.get((posterior, way), {}).get(what, -1.0) >= line[what] - lost for what, lost in _LOST.items())
        )
        for posterior, line in full.items()
    }


def _measured(name: str, data: Path, runs: Path, *, quick: bool) -> list[Measurement]:
    """The rows of one posterior."""
    network, of_data = fitted(name, data, runs)
    rows = []
    small = name.startswith("mlp100")
    for batch in ((1, 100) if name == "mlp500-mnist" else (1,)) if quick else (1, 10, 100):
        sampled = batch == 1 and small
        repeats = 50 if name.startswith("resnet") or batch == 100 else 300
        rows += _timed(name, network, of_data, (batch, repeats if quick else 3 * repeats), sampled=sampled)
    return rows


def _timed(
    name: str, network: FittedNetwork, data: Dataset, how: tuple[int, int], *, sampled: bool
) -> list[Measurement]:
    batch, repeats = how
    raw = np.ascontiguousarray(np.resize(data.test.inputs, (batch, *data.input_shape)), np.float32)
    sides: dict[str, Call] = {"onnx_runtime": deterministic(network, raw)}
    plans = {}
    for way in _NATIVE:
        make = WAYS[way].native
        assert make is not None
        try:
            plans[way] = make(network, data)
        except ExportError as error:
            print(f"{name}, {way}: {error}", file=sys.stderr)
            continue
        call = loaded(plans[way], (batch,)).calls[batch]
        call.input[:] = raw
        sides[way] = call
    if sampled:
        sides["svi_predrawn"] = stacked(network, raw)
        sides["svi_local_reparametrization"] = locally_reparametrized(network, data, raw)
        sides["svi_onnx_runtime"] = ensemble(network, raw)
    of = {"posterior": name}
    candidates = [Candidate(call, {**of, "side": side}) for side, call in sides.items()]
    order = list(sides)
    pairs = [Pair(order.index(a), order.index(b), b) for a, b in (("one_pass", "point"),) if a in sides and b in sides]
    drawn = [side for side in order if side.startswith("svi")]
    pairs += [Pair(order.index(side), order.index(way), way) for side in drawn for way in plans if way != "point"]
    settings = LatencySettings(warmup=10, repeats=repeats, batch=batch)
    rows = latency(candidates[1:], candidates[0], settings, pairs=pairs)
    for way, plan in plans.items():
        operations, stored = cost(plan)
        rows.append(Measurement("multiply_adds", float(operations), "1", {**of, "side": way}))
        rows.append(Measurement("weight_bytes", float(stored), "B", {**of, "side": way}))
    return rows


def _figures(rows: list[Measurement], admissible: dict[str, tuple[str, ...]]) -> dict[str, float | None]:
    """The last line: the fastest admissible way over the deterministic network in ONNX Runtime, and three ratios more."""

    def ratio(posterior: str, side: str, beside: str | None = None, batch: int = 1) -> float | None:
        for row in rows:
            of = row.of
            here = (of.get("posterior"), of.get("side"), of.get("beside"), of.get("batch"))
            if row.what == "latency_ratio" and here == (posterior, side, beside, batch):
                return None if row.value is None else round(row.value, 3)
        return None

    def over(posterior: str) -> float | None:
        return min(filter(None, (ratio(posterior, way) for way in admissible.get(posterior, ()))), default=None)

    def under(side: str) -> float | None:
        ways = admissible.get("mlp100-mnist", ())
        return max(filter(None, (ratio("mlp100-mnist", side, way) for way in ways)), default=None)

    return {
        **{key: over(posterior) for posterior, key in _QUICK.items()},
        "mlp500_b100_same_engine": ratio("mlp500-mnist", "one_pass", "point", 100),
        "vs_svi30_predrawn_b1": under("svi_predrawn"),
        "vs_local_reparam_b1": under("svi_local_reparametrization"),
    }


if __name__ == "__main__":
    sys.exit(main())
