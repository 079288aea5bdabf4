"""How long `bitsback predict` takes from nothing to its first answer, beside the least that any process needs for it.

    python -m bench.cold_start              (torch-free install in .venv-device; rows go to results/cold_start.jsonl)
    python -m bench.cold_start --repeats 5 --dry

The reference is a process that imports numpy and onnxruntime, loads the same graph with its weights inside, and runs it
once on the same input with the same session options. Both run in the same torch-free environment, by turns, after two
uncounted rounds. The last line is JSON: {"cold_start_ratio": ..}.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from bitsback.artifact.container import Artifact, write
from bitsback.artifact.manifest import AbstainRule, Input, Manifest
from bitsback.errors import BitsbackError, RunError
from bitsback.measure.journal import Journal, Measurement, stamp
from bitsback.measure.latency import LatencySettings, rounds
from bitsback.measure.provenance import provenance

ROOT = Path(__file__).resolve().parents[1]
SHAPE, WIDTHS, KEPT = (1, 28, 28), (784, 500, 500, 10), 0.1
REFERENCE = """
import sys
import numpy
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
print(session.run(None, {"input": numpy.load(sys.argv[2])})[0].argmax())
"""
WITHOUT_TORCH = "import importlib.util as u; print(u.find_spec('torch')); assert not u.find_spec('torch'), 'has torch'"


def weights(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """An MLP 784-500-500-10 of which a tenth is left."""
    found = {}
    for index, (inputs, outputs) in enumerate(itertools.pairwise(WIDTHS)):
        kept = generator.random((inputs, outputs)) < KEPT
        found[f"kernel{index}"] = (generator.normal(size=(inputs, outputs)) * kept / 10).astype(np.float32)
        found[f"bias{index}"] = np.full(outputs, 0.01, np.float32)
    return found


def model(initializers: Sequence[TensorProto]) -> ModelProto:
    """The point form of the network: one member, so that all uncertainty is that of the data."""
    nodes = [helper.make_node("Flatten", ["input"], ["h0"])]
    for index in range(len(WIDTHS) - 1):
        nodes.append(helper.make_node("Gemm", [f"h{index}", f"kernel{index}", f"bias{index}"], [f"g{index}"]))
        nodes.append(helper.make_node("Relu", [f"g{index}"], [f"h{index + 1}"]))
    nodes += [
        helper.make_node("Softmax", [f"g{len(WIDTHS) - 2}"], ["mean"], axis=-1),
        helper.make_node("LogSoftmax", [f"g{len(WIDTHS) - 2}"], ["log"], axis=-1),
        helper.make_node("Mul", ["mean", "log"], ["product"]),
        helper.make_node("ReduceSum", ["product", "last"], ["sum"], keepdims=0),
        helper.make_node("Neg", ["sum"], ["total"]),
        helper.make_node("Identity", ["total"], ["data"]),
        helper.make_node("Sub", ["total", "data"], ["knowledge"]),
    ]
    scores = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("total", "data", "knowledge")]
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["n", WIDTHS[-1]]), *scores],
        [*initializers, helper.make_tensor("last", TensorProto.INT64, [1], [-1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def prepare(folder: Path) -> None:
    """The same network as an artifact and as an ONNX file, and one input for both."""
    generator = np.random.default_rng(0)
    params = weights(generator)
    inside = [numpy_helper.from_array(array, name) for name, array in params.items()]
    outside = [TensorProto(name=each.name, data_type=each.data_type, dims=each.dims) for each in inside]
    for each in outside:
        each.data_location = TensorProto.EXTERNAL
        each.external_data.add(key="location", value="weights")
    (folder / "graph.onnx").write_bytes(model(inside).SerializeToString())
    manifest = Manifest(
        task="classification",
        form="point",
        input=Input(SHAPE),
        outputs=WIDTHS[-1],
        labels=tuple("0123456789"),
        abstain=AbstainRule("total", 0.5, 0.01, 0.95),
    )
    write(folder / "model.bitsback", Artifact(manifest, model(outside).SerializeToString(), params))
    np.save(folder / "input.npy", generator.uniform(0, 255, size=(1, *SHAPE)).astype(np.float32))


def process(*words: str | Path) -> Callable[[], None]:
    """A call that runs a process to its end.

    Raises:
        RunError: (the call) the process cannot be started or fails.
    """

    def call() -> None:
        try:
            done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True)
        except OSError as error:
            raise RunError(f"The process {words[0]} cannot be started: {error.strerror}.") from error
        if done.returncode or not done.stdout.strip():
            raise RunError(f"The process {words[0]} gave no answer: {done.stderr.strip()[-300:]!r}.")

    return call


def measure(environment: Path, settings: LatencySettings) -> list[Measurement]:
    """Time both, by turns.

    Args:
        environment: a virtual environment with bitsback and without torch.
        settings: how often.

    Raises:
        RunError: the environment is not there, has torch, or a process fails.
    """
    python = environment / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        process(python, "-c", WITHOUT_TORCH)()
        seconds = rounds(
            [
                process(python, "-c", REFERENCE, folder / "graph.onnx", folder / "input.npy"),
                process(environment / "bin" / "bitsback", "predict", folder / "model.bitsback", folder / "input.npy"),
            ],
            settings,
        )
    return [
        row("cold_start", "s", seconds[:, 0], process="numpy and onnxruntime"),
        row("cold_start", "s", seconds[:, 1], process="bitsback predict"),
        row("cold_start_ratio", "x", seconds[:, 1] / seconds[:, 0], process="bitsback predict"),
    ]


def row(what: str, unit: str, values: np.ndarray, **of: str) -> Measurement:
    """The median with its quartiles."""
    low, middle, high = (float(each) for each in np.quantile(values, [0.25, 0.5, 0.75]))
    of = {**of, "network": "MLP 784-500-500-10, 90 % pruned"}
    return Measurement(what, middle, unit, of={**of, "threads": 1}, repeats=len(values), spread=(low, high))


def main(words: Sequence[str] | None = None) -> int:
    """Measure, append the rows, print them; 2 where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-device", help="a torch-free installation")
    parser.add_argument("--repeats", type=int, default=21, help="how often each process is started")
    parser.add_argument("--dry", action="store_true", help="append nothing to results/")
    asked = parser.parse_args(words)
    try:
        rows = measure(asked.environment, LatencySettings(warmup=2, repeats=asked.repeats))
        rows = stamp(rows, provenance("python -m bench.cold_start", seed=0))
        if not asked.dry:
            Journal(ROOT / "results" / "cold_start.jsonl").append(rows)
    except BitsbackError as error:
        print(error, file=sys.stderr)
        return 2
    for each in rows:
        print(f"{each.what:18} {each.of['process']:24} {each.value:.3f} {each.unit}  {each.spread}")
    print(json.dumps({"cold_start_ratio": rows[-1].value}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
