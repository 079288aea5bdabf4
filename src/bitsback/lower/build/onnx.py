"""Program to ONNX, with the proof that nothing got lost on the way.

The graph is first exported with the members' answers as a fifth output, run by ONNX Runtime, and compared with PyTorch:
the outputs, and the spread over members, which exporters and runtimes have been seen to drop without a word. Then that
output is cut off, and what ships is compared once more.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper
import onnx_ir as ir
import torch
from onnxscript.optimizer import optimize_ir

from bitsback.errors import ExportError
from bitsback.form.program import Program
from bitsback.lower.build import drawn
from bitsback.lower.build.comparison import check_same
from bitsback.lower.run.onnx import INPUT, LOCATION, Outputs, open_program
from bitsback.lower.run.swapped import ANSWERS, NOISE

OUTPUTS = Outputs._fields
_EXTERNAL_FROM = 256  # bytes; smaller tensors stay inside the graph


class Lowered(NamedTuple):
    """An ONNX graph and its weights.

    Attributes:
        graph: the serialized model; its large initializers are external.
        weights: those initializers by name.
        difference: the largest absolute difference from PyTorch over the four outputs, on the inputs of the check.
    """

    graph: bytes
    weights: dict[str, np.ndarray]
    difference: float


def lower(program: Program, inputs: np.ndarray) -> Lowered:
    """Exports a program to ONNX and checks it against PyTorch under ONNX Runtime.

    Args:
        program: any form.
        inputs: raw inputs `[B, *shape]` to compare on; real ones, some dozens.

    Returns:
        The graph that ships, its weights, and the largest difference found.

    Raises:
        ExportError: an operator has no ONNX form, or ONNX Runtime gives other outputs or another spread than PyTorch.
    """
    if program.swapped:
        return _lower_one_member(program, inputs)
    model = _export(program, (INPUT,), (*OUTPUTS, ANSWERS))
    weights = _externalize(model)
    if program.draws:
        return _lower_drawing(program, model, weights, inputs[: drawn.INPUTS])
    batch = np.ascontiguousarray(inputs, np.float32)
    expected, answers = _asked(program, batch)
    _check_spread(answers, _Answers(model, weights)(batch))
    graph = _without_answers(model)
    found = open_program(graph, weights).run(batch)
    return Lowered(graph, weights, check_same(program, "ONNX Runtime", expected, found))


def _without_answers(model: onnx.ModelProto) -> bytes:
    del model.graph.output[len(OUTPUTS) :]
    return model.SerializeToString()


def _lower_drawing(
    program: Program, model: onnx.ModelProto, weights: dict[str, np.ndarray], inputs: np.ndarray
) -> Lowered:
    """Of a program that draws anew in each call, many of which are compared."""
    batch, calls = np.ascontiguousarray(inputs, np.float32), range(drawn.calls(program.members))
    asked, answers = [_asked(program, batch) for _ in calls], _Answers(model, weights)
    drawn.check_spread("ONNX Runtime", np.stack([each for _, each in asked]), np.stack([answers(batch) for _ in calls]))
    graph = _without_answers(model)
    session = open_program(graph, weights)
    difference = drawn.check_means("ONNX Runtime", [each for each, _ in asked], [session.run(batch) for _ in calls])
    return Lowered(graph, weights, difference)


def _lower_one_member(program: Program, inputs: np.ndarray) -> Lowered:
    """Of a program to which members are given one after the other."""
    model = _export(
        program, (INPUT, *program.swapped), (ANSWERS,) if program.units.targets is None else (ANSWERS, NOISE)
    )
    shared = _externalize(model)
    weights = {**shared, **{name: each.numpy() for name, each in program.swapped.items()}}
    graph, batch = model.SerializeToString(), np.ascontiguousarray(inputs, np.float32)
    found = open_program(graph, weights, mapped=program.swapped).run(batch)
    return Lowered(graph, weights, check_same(program, "ONNX Runtime", _asked(program, batch)[0], found))


@torch.no_grad()
def _asked(program: Program, inputs: np.ndarray) -> tuple[Outputs, np.ndarray]:
    """What PyTorch answers, and what its members do."""
    answers = program.module.answers(torch.from_numpy(inputs))
    return Outputs(*(each.numpy() for each in program.module.combine(answers))), answers.numpy()


def check_exports(program: Program) -> None:
    """Exports a program to ONNX and runs it once under ONNX Runtime, without a look at what it answers.

    Raises:
        ExportError: an operator has no ONNX form, or ONNX Runtime refuses it.
    """
    model = _export(program, (INPUT,), (*OUTPUTS, ANSWERS))
    _Answers(model, _externalize(model))(np.zeros((2, *program.input_shape), np.float32))


def _may_fold(node: ir.Node) -> bool | None:
    """Not what is computed from whole numbers of 8 bits: as float32 it would take four times their bytes; else as usual."""
    return False if any(value is not None and value.dtype == ir.DataType.INT8 for value in node.inputs) else None


def _export(program: Program, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    exported = program.exported
    try:
        with _quiet():
            result = torch.onnx.export(exported, (), dynamo=True, verbose=False, optimize=False)
            if result is not None:
                optimize_ir(result.model, should_fold=_may_fold)
    except Exception as error:
        raise ExportError(f"the {program.form} form has no ONNX equivalent: {_first_cause(error)}") from error
    if result is None:
        raise ExportError(f"the {program.form} form has no ONNX equivalent: the exporter gave nothing back")
    return _with_our_names(_without_origin(result.model_proto), inputs, outputs)


def _first_cause(error: BaseException) -> str:
    """What the exporter's chain of errors began with, which names the operator; the rest is advice on how to report it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _without_origin(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops what the exporter notes of where each node comes from: paths of this machine, and half of a small file."""
    graph = model.graph
    described = (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for each in described:
        del each.metadata_props[:]
        each.doc_string = ""
    del graph.value_info[:]
    return model


def _with_our_names(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """Names inputs and outputs as the runtime expects, and moves inner values that the exporter called the same away."""
    graph = model.graph
    taken = {*inputs, *outputs}
    values = {name for node in graph.node for name in (*node.input, *node.output)} | {i.name for i in graph.initializer}
    renamed = {name: f"{name}_inner" for name in values & taken}
    renamed |= {each.name: name for each, name in zip(graph.input, inputs, strict=True)}
    renamed |= {each.name: name for each, name in zip(graph.output, outputs, strict=True)}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = renamed.get(value.name, value.name)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints progress and warns about its own internals; what matters is checked on its result."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _externalize(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Moves large initializers out of the graph, changing the model, and returns them by name."""
    weights: dict[str, np.ndarray] = {}
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.nbytes < _EXTERNAL_FROM:
            continue
        weights[tensor.name] = np.ascontiguousarray(array)
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.ClearField("int64_data")
        tensor.ClearField("int32_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", LOCATION
    return weights


class _Answers:
    """What the members of an exported program answer under ONNX Runtime."""

    def __init__(self, model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        self._values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]  # read in place
        if self._values:
            options.add_external_initializers(list(weights), self._values)
        self._session = self._tried(
            lambda: onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        )

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """`[S, B, C]` of `[B, *shape]`."""
        return np.asarray(self._tried(lambda: self._session.run([ANSWERS], {INPUT: inputs}))[0])

    @staticmethod
    def _tried(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            raise ExportError(f"ONNX Runtime refuses the exported program: {str(error).splitlines()[0]}") from error


def _check_spread(right: np.ndarray, got: np.ndarray) -> None:
    """The standard deviation over members, per input and output, must be PyTorch's.

    Raises:
        ExportError: it is not.
    """
    expected, found = right.std(0), got.std(0)
    if got.shape != right.shape or not np.allclose(
        found, expected, rtol=1e-2, atol=1e-3 * float(expected.max(initial=0))
    ):
        raise ExportError(
            f"the spread over {right.shape[0]} members is {float(found.mean()):.3g} on average under ONNX Runtime and "
            f"{float(expected.mean()):.3g} in PyTorch; the export has lost uncertainty"
        )
