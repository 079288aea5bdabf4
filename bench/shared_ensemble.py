"""What an ensemble of one structure costs beside one dense network, in one run.

    python -m bench.shared_ensemble --data DIR            every case; rows go to results/shared_ensemble.jsonl
    python -m bench.shared_ensemble --data DIR --quick    at most a minute, nothing is written; last line JSON

The networks are those that `python -m examples.shared_ensemble --data DIR` fits, never random ones: what has no row of its
quality in results/shared_ensemble.jsonl gets no figure. One thread; all sides are called from Python, have their outputs
allocated beforehand and take turns, each called three times, of which the last counts, so that it finds its own weights in the
caches; a ratio is the median of the rounds' own ratios. The reference is one dense float32 network in ONNX Runtime and gives
logits alone; the ensembles give probabilities and uncertainties too. Libraries and tuning trials are kept in
runs/shared_ensemble: the first run compiles them. File bytes are the weights section and the graph.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Set
from functools import cache
from pathlib import Path

import numpy as np
import torch

from bench.floor import floor, is_reference, references
from bench.one_pass_libraries import Kept
from bench.one_pass_sides import bound, deterministic
from bitsback.errors import BitsbackError
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.build.onnx import lower
from bitsback.lower.run.native.plan import cost
from bitsback.measure.journal import Journal, Measurement, latest, stamp
from bitsback.measure.latency import Candidate, LatencySettings, latency
from bitsback.measure.provenance import provenance
from examples.one_pass.__main__ import called
from examples.shared_ensemble.__main__ import JOURNAL, RUNS
from examples.shared_ensemble.cases import CASES, Fitted, fitted
from examples.shared_ensemble.ways import Way, ways

_QUICK = {"mlp-mnist": "mlp", "lenet5-mnist": "lenet5", "resnet20-cifar10": "resnet20"}
_SHOWN = ("accuracy", "nll", "ood_auroc_knowledge", "bytes_ratio")
Call = Callable[[], object]


def main() -> int:
    """Measures and prints; writes rows unless quick."""
    parser = argparse.ArgumentParser(prog="python -m bench.shared_ensemble")
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where examples.shared_ensemble put its run folders")
    parser.add_argument("--only", choices=list(CASES), action="append", help="only this case")
    parser.add_argument("--trials", type=int, default=24, help="tuning trials for each shape of a layer")
    parser.add_argument("--quick", action="store_true", help="the figures of the last line only, few repeats, no rows")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    try:
        recorded = latest(Journal(JOURNAL).read())
        names = [name for name in (asked.only or CASES) if not asked.quick or name in _QUICK]
        known = {name: set(_quality(recorded, name)) for name in names}
        rows = [row for name in names if known[name] for row in _measured(name, asked, known[name])]
    except BitsbackError as error:
        print(f"shared_ensemble: {error}", file=sys.stderr)
        return 2
    if not asked.quick:
        Journal(JOURNAL).append(stamp(rows, provenance(called("bench.shared_ensemble", asked.data), 0)))
    for row in rows:
        spread = "" if row.spread is None else f", quartiles {row.spread[0]:.3g} to {row.spread[1]:.3g}"
        print(f"{row.what} {dict(row.of)}: {row.value:.4g} {row.unit}{spread}", file=sys.stderr)
    for name in names:
        for way, figures in _quality(recorded, name).items():
            print(
                f"{name} {way}: {', '.join(f'{what} {value:.4g}' for what, value in figures.items())}", file=sys.stderr
            )
    print(json.dumps(_figures(rows, recorded)))
    return 0


def _quality(rows: list[Measurement], name: str) -> dict[str, dict[str, float]]:
    """What is on record of each way to predict in one case."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.of.get("case") == name and "way" in row.of and row.what in _SHOWN and row.value is not None:
            found.setdefault(str(row.of["way"]), {})[row.what] = row.value
    return found


def _measured(name: str, asked: argparse.Namespace, known: Set[str]) -> list[Measurement]:
    """The rows of one case: of its ways to predict whose quality is known."""
    every, kept = _timed_ways(name), Kept(asked.runs / name)
    found = cache(lambda: fitted(name, asked.data, asked.runs))  # only where something is not kept yet
    raw = kept.array("input", lambda: np.ascontiguousarray(found().data.test.inputs[:1], np.float32))
    graph = kept.graph("deterministic", lambda: deterministic(found().dense))
    sides: dict[str, Call] = {"onnx_runtime": bound(graph, {}, raw)}
    costs: dict[str, tuple[int, int]] = {}
    for way in (way for way in ([*every][:1] if asked.quick else every) if way in known):
        for each in (kept, Kept(asked.runs / name, asked.trials)):
            call, plan = each.call(way, 1, lambda way=way: plan_of(every[way].program(found())))
            call.input[:] = raw
            sides[f"{way}{'_tuned' if each.trials else ''}"] = call
            costs[way] = cost(plan)
    if not asked.quick:
        sides |= _beside(found(), graph, raw, CASES[name].counts[0])
    repeats = 60 if asked.quick else 300
    settings = LatencySettings(10, repeats, again=2)
    timed = _timed({**sides, **references(stored for _, stored in costs.values())}, settings, name)
    return [row for row in timed if not is_reference(str(row.of["side"]))] + _floors(timed, costs)


def _timed_ways(name: str) -> dict[str, Way]:
    """The ensembles of one structure that are timed, the largest first; it with members of bfloat16 too, last."""
    counts, stored = CASES[name].counts, CASES[name].stored
    every = ways(counts, stored)
    usual = [f"shared_{count}_{stored}" for count in counts]
    return {way: every[way] for way in (*usual, f"shared_{counts[0]}_bfloat16")}


def _beside(found: Fitted, graph: bytes, raw: np.ndarray, most: int) -> dict[str, Call]:
    """One dense network of int8, and all dense members stacked, in ONNX Runtime."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_model_from_string(graph)
    del model.graph.value_info[:]  # the exporter's shapes of weights that it has turned round since
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(model.SerializeToString())
        quantize_dynamic(before, after, weight_type=QuantType.QInt8)
        small = after.read_bytes()
    stacked = lower(ways((most,))[f"dense_{most}"].program(found), raw)
    return {
        "onnx_runtime_int8": bound(small, {}, raw),
        f"dense_{most}_onnx_runtime": bound(stacked.graph, stacked.weights, raw),
    }


def _timed(sides: Mapping[str, Call], settings: LatencySettings, name: str) -> list[Measurement]:
    candidates = [Candidate(call, {"case": name, "side": side}) for side, call in sides.items()]
    return latency(candidates[1:], candidates[0], settings)


def _floors(timed: list[Measurement], costs: Mapping[str, tuple[int, int]]) -> list[Measurement]:
    """What each way asks of a machine at least, and how long that takes."""
    seconds = {str(row.of["side"]): row.value or 0.0 for row in timed if row.what == "latency"}
    rows = []
    for way, (operations, stored) in costs.items():
        of = {"case": timed[0].of["case"], "side": way}
        rows += [
            Measurement("multiply_adds", float(operations), "1", of),
            Measurement("weight_bytes", float(stored), "B", of),
            Measurement("floor", floor(seconds, operations, stored), "s", of),
        ]
    return rows


def _figures(rows: list[Measurement], recorded: list[Measurement]) -> dict[str, float]:
    """The last line: bytes and latency of the largest ensemble of whole numbers over one dense float32 network."""
    found: dict[str, float] = {}
    for name, short in _QUICK.items():
        way = next(iter(_timed_ways(name)))
        for row in recorded:
            if row.what == "bytes_ratio" and (row.of.get("case"), row.of.get("way")) == (name, way) and row.value:
                found[f"{short}_bytes"] = round(row.value, 3)
        ratios = [
            row.value
            for row in rows
            if row.what == "latency_ratio" and row.of.get("case") == name and row.value is not None
            if row.of.get("side") in {way, f"{way}_tuned"}
        ]
        if ratios:
            found[f"{short}_latency"] = round(min(ratios), 3)
    return found


if __name__ == "__main__":
    sys.exit(main())
