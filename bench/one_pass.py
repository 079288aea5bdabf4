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
    "mlp100-mnist": ("mlp100_b1", "one_pass"),
    "mlp500-mnist": ("mlp500_b1", "one_pass"),
    "lenet5-mnist": ("lenet5_b1", "one_pass"),
    "resnet20-cifar10": ("resnet20_b1", "one_pass"),
}
_NATIVE = ("point", "one_pass", "one_pass_tied")
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
        known = {
            row.of.get("posterior") for row in latest(Journal(JOURNAL).read()) if row.what == "ood_auroc_knowledge"
        }
        names = [name for name in (_QUICK if asked.quick else POSTERIORS) if name in known]
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
    print(json.dumps(_figures(rows)))
    return 0


def _measured(name: str, data: Path, runs: Path, *, quick: bool) -> list[Measurement]:
    """The rows of one posterior."""
    network, of_data = fitted(name, data, runs)
    rows = []
    small = name.startswith("mlp100")
    for batch in ((1, 100) if name == "mlp500-mnist" else (1,)) if quick else (1, 10, 100):
        sampled = batch == 1 and small
        repeats = 60 if name.startswith("resnet") or batch == 100 else 400
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
    pairs += [Pair(order.index(b), order.index("one_pass"), "one_pass") for b in order if b.startswith("svi")]
    settings = LatencySettings(warmup=10, repeats=repeats, batch=batch)
    rows = latency(candidates[1:], candidates[0], settings, pairs=pairs)
    for way, plan in plans.items():
        operations, stored = cost(plan)
        rows.append(Measurement("multiply_adds", float(operations), "1", {**of, "side": way}))
        rows.append(Measurement("weight_bytes", float(stored), "B", {**of, "side": way}))
    return rows


def _figures(rows: list[Measurement]) -> dict[str, float | None]:
    """The last line: latency over the deterministic network in ONNX Runtime, and three ratios more."""

    def ratio(posterior: str, side: str, beside: str | None = None, batch: int = 1) -> float | None:
        for row in rows:
            of = row.of
            here = (of.get("posterior"), of.get("side"), of.get("beside"), of.get("batch"))
            if row.what == "latency_ratio" and here == (posterior, side, beside, batch):
                return None if row.value is None else round(row.value, 3)
        return None

    found = {key: ratio(posterior, way) for posterior, (key, way) in _QUICK.items()}
    return {
        **found,
        "mlp500_b100_same_engine": ratio("mlp500-mnist", "one_pass", "point", 100),
        "vs_svi30_predrawn_b1": ratio("mlp100-mnist", "svi_predrawn", "one_pass"),
        "vs_local_reparam_b1": ratio("mlp100-mnist", "svi_local_reparametrization", "one_pass"),
    }


if __name__ == "__main__":
    sys.exit(main())
