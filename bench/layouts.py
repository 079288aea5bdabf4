"""What 20 members cost as they are stacked in one graph, swapped in and out of one, drawn in each call, or a session each.

    python -m bench.layouts --data DIR                  rows go to results/layouts.jsonl
    python -m bench.layouts --data DIR --only CASE      one case, such as mlp500-mnist

The posteriors are those of `python -m examples.one_pass --data DIR`, and an MLP 784-500-500-10 that is trained with dropout
here. Quality is that of the test split (of its first 1,000 images for a ResNet-20), of the very program that is timed.
One thread, batch 1, all sides take turns beside the dense network's logits alone; a ratio is the median of the rounds' own
ratios. File bytes are the weights section and the graph. Memory is what a process that loads a file and predicts once has of
its own besides (anonymous pages): what of a file is mapped and can be dropped at any time does not count. The last line is
JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import bitsback
from bench.markdown import table
from bench.one_pass_sides import bound, deterministic
from bitsback.artifact.container import Artifact, write
from bitsback.artifact.tensors import pack
from bitsback.errors import BitsbackError, RunError
from bitsback.form.contract import Form
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.one_by_one import members_of
from bitsback.form.point import PointForm
from bitsback.form.stochastic import StochasticForm
from bitsback.given.dataset import Dataset
from bitsback.lower.run.onnx import Outputs, open_program
from bitsback.lower.run.swapped import classify
from bitsback.measure.journal import Journal, Measurement, Scalar, latest, stamp
from bitsback.measure.latency import Candidate, LatencySettings, latency
from bitsback.measure.provenance import provenance
from bitsback.measure.quality import classification
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.run.fitted import FittedNetwork
from bitsback.run.programs import artifact
from examples.one_pass.__main__ import called
from examples.one_pass.posteriors import fitted

ROOT = Path(__file__).resolve().parents[1]
JOURNAL, RUNS = ROOT / "results" / "layouts.jsonl", ROOT / "runs" / "one_pass"
CASES = ("mlp500-mnist", "mlp500-dropout-mnist", "lenet5-mnist", "resnet20-cifar10")
MEMBERS, ASKED = 20, 4
LOOKED_AT = {"resnet20-cifar10": 1000}
WAYS = {
    "logits": "the dense network, logits alone",
    "point": "the point",
    "stacked": f"{MEMBERS} members, stacked",
    "swapped": f"{MEMBERS} members, swapped",
    "swapped_4": f"{MEMBERS} members, swapped, the first 4 asked",
    "sessions": f"{MEMBERS} members, a session each",
    "stochastic": f"{MEMBERS} draws in each call",
}
_FIGURES = {"accuracy": "1", "nll": "nat", "ood_auroc_knowledge": "1"}
_LOAD = """
import sys, time
import numpy as np
from bitsback.runtime.predictor import load
from bitsback.lower.run.onnx import open_program
def own():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
x = np.load(sys.argv[1])
warm = load(sys.argv[2])  # and kept, so that its memory is not used again
warm.predict(x)
before, start = own(), time.perf_counter()
found = [load(path) for path in sys.argv[3:]]
took = time.perf_counter() - start
for each in found:
    each.predict(x)
print(1024 * (own() - before), took)
"""


def main() -> int:
    """Measures, writes rows and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.layouts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where examples.one_pass puts its run folders")
    parser.add_argument("--only", choices=CASES, action="append", help="only this case")
    parser.add_argument("--repeats", type=int, default=100, help="rounds that count")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    try:
        source, rows = provenance(called("bench.layouts", asked.data), 0), list[Measurement]()
        for name in asked.only or CASES:
            found = stamp(measured(name, *_fitted(name, asked.data, asked.runs), asked.repeats), source)
            Journal(JOURNAL).append(found)
            rows += found
    except BitsbackError as error:
        print(f"layouts: {error}", file=sys.stderr)
        return 2
    print(made(rows))
    ratios = {f"{row.of['case']} {row.of['way']}": row.value for row in rows if row.what == "latency_ratio"}
    print(json.dumps({name: round(value, 2) for name, value in ratios.items() if value is not None}))
    return 0


def _fitted(name: str, data: Path, runs: Path) -> tuple[FittedNetwork, Dataset]:
    if name != "mlp500-dropout-mnist":
        return fitted(name, data, runs)
    runs.mkdir(parents=True, exist_ok=True)
    mnist = bitsback.dataset("mnist", folder=data)
    torch.manual_seed(0)
    module = bitsback.network("mlp", mnist, hidden=(500, 500), dropout=0.5)
    return bitsback.fit(module, mnist, bitsback.McDropout(), epochs=20, checkpoint=runs / f"{name}.checkpoint"), mnist


def measured(name: str, network: FittedNetwork, data: Dataset, repeats: int) -> list[Measurement]:
    """The rows of one case."""
    raw = np.ascontiguousarray(data.test.inputs[:1], np.float32)
    sides = _sides(network, data)
    rows = _files(name, sides, raw)
    opened = {way: Opened(files, members) for way, (files, members) in sides.items()}
    for way, each in opened.items():
        rows += _quality(each, data, {"case": name, "way": way})
    calls = {"logits": bound(deterministic(network), {}, raw), **{way: each.call(raw) for way, each in opened.items()}}
    candidates = [Candidate(call, {"case": name, "way": way}) for way, call in calls.items()]
    return rows + latency(candidates[1:], candidates[0], LatencySettings(5, repeats))


def _sides(network: FittedNetwork, data: Dataset) -> dict[str, tuple[list[Artifact], int | None]]:
    """The files of each way, and how many members are asked where that is said."""

    def made(form: Form, of: FittedNetwork = network) -> Artifact:
        return artifact(of.program(form), data, {})

    swapped = made(EnsembleForm(MEMBERS, layout="swapped"))
    return {
        "point": ([made(PointForm())], None),
        "stacked": ([made(EnsembleForm(MEMBERS))], None),
        "swapped": ([swapped], None),
        "swapped_4": ([swapped], ASKED),
        "sessions": ([made(PointForm(), each) for each in _members(network)], None),
        "stochastic": ([made(StochasticForm(MEMBERS))], None),
    }


def _members(network: FittedNetwork) -> Iterator[FittedNetwork]:
    """The members of the ensemble, each as a network of its own.

    Yields:
        One after the other.
    """
    posterior = network.posterior
    drawn = {name: each[0] for name, each in EnsembleForm(MEMBERS).held(posterior).items()}
    for each in members_of(posterior.fixed, drawn):
        values = {name: each[name] for name in drawn}
        yield replace(network, posterior=PointPosterior(values, posterior.fixed))


class Opened:
    """One way to predict, ready to run: one program, or several whose answers are averaged."""

    def __init__(self, files: Sequence[Artifact], members: int | None) -> None:
        self._sessions = [
            open_program(each.program, each.weights, seed=0, mapped=each.manifest.mapped, members=members)
            for each in files
        ]

    def run(self, raw: np.ndarray) -> Outputs:
        """Answers a batch."""
        answers = [each.run(raw) for each in self._sessions]
        return answers[0] if len(answers) == 1 else _together(answers)

    def call(self, raw: np.ndarray) -> Callable[[], object]:
        """Answers one batch in each call, with outputs that are allocated beforehand."""
        bound = [each.bound(raw) for each in self._sessions]
        if len(bound) == 1:
            return bound[0]

        def call() -> Outputs:
            for each in bound:
                each()
            return _together([each.outputs for each in bound])

        return call


def _together(answers: Sequence[Outputs]) -> Outputs:
    return Outputs(*classify(np.log(np.maximum(np.stack([each.mean for each in answers]), np.finfo(np.float32).tiny))))


def _quality(side: Opened, data: Dataset, of: Mapping[str, Scalar]) -> list[Measurement]:
    count = LOOKED_AT.get(str(of["case"]))
    inside, outside = (
        Outputs(*map(np.concatenate, zip(*(side.run(each) for each in _cut(inputs)), strict=True)))
        for inputs in (data.test.inputs[:count], data.out_of_distribution[:count])
    )
    found = classification(inside, data.test.targets[:count], outside)
    return [Measurement(what, found[what], unit, of) for what, unit in _FIGURES.items()]


def _cut(inputs: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(inputs[at : at + 50], np.float32) for at in range(0, len(inputs), 50)]


def _files(name: str, sides: Mapping[str, tuple[list[Artifact], int | None]], raw: np.ndarray) -> list[Measurement]:
    """Bytes, and what a process takes that loads them."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "x.npy"
        np.save(inputs, raw)
        for way, (files, members) in sides.items():
            if members is not None:
                continue
            paths = [Path(folder) / f"{way}-{index}.bitsback" for index in range(len(files))]
            for path, each in zip(paths, files, strict=True):
                write(path, each)
            of = {"case": name, "way": way}
            memory, seconds = _loaded(inputs, Path(folder) / "point-0.bitsback", paths)
            rows += [
                Measurement("bytes", sum(map(_bytes, files)), "bytes", of),
                Measurement("memory", memory, "bytes", of),
            ]
            rows.append(Measurement("load", seconds, "s", of))
    return rows


def _bytes(file: Artifact) -> int:
    mapped = file.manifest.mapped
    weights = (pack(name, each, 0, densely=name in mapped)[1] for name, each in file.weights.items())
    return len(file.program) + sum(map(len, weights))


def _loaded(inputs: Path, warm: Path, paths: Sequence[Path]) -> tuple[float, float]:
    """Bytes of its own that a process takes for some files, and seconds to load them; the middle one of three processes.

    Raises:
        RunError: it fails.
    """
    found = []
    for _ in range(3):
        words = [sys.executable, "-c", _LOAD, inputs, warm, *paths]
        done = subprocess.run([str(each) for each in words], check=False, capture_output=True, text=True)
        if done.returncode:
            raise RunError(f"files cannot be loaded in a process of their own: {done.stderr.strip()[-200:]}")
        found.append(tuple(float(each) for each in done.stdout.split()))
    memory, seconds = zip(*found, strict=True)
    return sorted(memory)[1], sorted(seconds)[1]


def made(rows: Sequence[Measurement]) -> str:
    """A line for each case and way."""
    found: dict[tuple[str, str], dict[str, Measurement]] = {}
    for row in latest(rows):
        found.setdefault((str(row.of["case"]), str(row.of["way"])), {})[row.what] = row
    head = ["case", "way", "file, kB", "memory, kB", "loaded in, ms", "µs a call, quartiles", "beside the logits"]
    lines = [
        [case, WAYS[way], *(_cell(each, *how) for how in _COLUMNS.items()), _spread(each, "latency", 1e6, 0),
         "1" if way == "logits" else _spread(each, "latency_ratio", 1.0, 2), *(_cell(each, *how) for how in _SHOWN.items())]
        for (case, way), each in found.items()
    ]  # fmt: skip
    return table([*head, "accuracy, %", "NLL, nats", "OOD AUROC, knowledge"], lines)


_COLUMNS = {"bytes": (1e-3, 0), "memory": (1e-3, 0), "load": (1e3, 1)}
_SHOWN = {"accuracy": (100.0, 1), "nll": (1.0, 4), "ood_auroc_knowledge": (1.0, 3)}


def _cell(found: Mapping[str, Measurement], what: str, how: tuple[float, int]) -> str:
    row = found.get(what)
    return "" if row is None or row.value is None else f"{how[0] * row.value:,.{how[1]}f}"


def _spread(found: Mapping[str, Measurement], what: str, scale: float, digits: int) -> str:
    row = found.get(what)
    if row is None or row.value is None:
        return ""
    low, high = (f"{scale * each:,.{digits}f}" for each in row.spread or (row.value, row.value))
    return f"{scale * row.value:,.{digits}f} ({low}–{high})"


if __name__ == "__main__":
    sys.exit(main())
