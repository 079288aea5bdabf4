"""Loading and calling a program in ONNX Runtime: the graph from memory, its weights from memory, no file read.

The graph keeps its large tensors as initializers of its main graph, each marked external (`data_location` EXTERNAL) at
location "weights"; offsets are not needed. Every session gets them by name.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bitsback.errors import ArtifactError, RecipeError
from bitsback.lower.run.external_data import ExternalTensor, external_tensors
from bitsback.lower.run.swapped import ANSWERS, NOISE, Members

INPUT = "input"
LOCATION = "weights"


class Outputs(NamedTuple):
    """What every program answers for a batch. `total` = `data` + `knowledge`.

    Attributes:
        mean: [N, C] class probabilities, or [N, D] target means.
        total: [N] all of the uncertainty: entropy in nats, or variance in squared target units, summed over D.
        data: [N] the part that no more data would remove.
        knowledge: [N] the part that more data would remove.
    """

    mean: np.ndarray
    total: np.ndarray
    data: np.ndarray
    knowledge: np.ndarray


class Bound:
    """A program with its input and its outputs in memory, ready to be called: a call copies, checks and allocates nothing.

    Attributes:
        outputs: what the last call answered.
    """

    def __init__(self, session: "Session", engine: Any, x: np.ndarray, outputs: Outputs) -> None:
        self._session, self._engine, self._input = session, engine, x  # the engine reads these where they are
        self.outputs = outputs
        self._binding = engine.io_binding()
        self._binding.bind_cpu_input(INPUT, x)
        for name, each in outputs._asdict().items():
            self._binding.bind_output(name, "cpu", 0, np.float32, each.shape, each.ctypes.data)

    def __call__(self) -> None:
        """Answer what was given."""
        self._engine.run_with_iobinding(self._binding)


class _Loaded:
    """A program, loaded and ready to run.

    Attributes:
        input_shape: of the input, with the batch axis.
    """

    def __init__(self, engine: Any, weights: Mapping[str, np.ndarray]) -> None:
        self._engine = engine
        self._weights = weights  # the engine reads these arrays where they are
        self.input_shape: tuple[int | str | None, ...] = tuple(engine.get_inputs()[0].shape)

    def run(self, x: np.ndarray) -> Outputs:
        """Answer a batch.

        Args:
            x: [N, *shape] in raw units; taken as float32.

        Raises:
            ArtifactError: the program fails on it.
        """
        try:
            return Outputs(*self._answered(np.ascontiguousarray(x, np.float32)))
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            raise ArtifactError(f"the program fails on an input of shape {x.shape}: {_first_line(error)}") from error

    def _answered(self, inputs: np.ndarray) -> Sequence[np.ndarray]:
        return self._engine.run(Outputs._fields, {INPUT: inputs})


class Session(_Loaded):
    """A program that answers in one run of its graph."""

    def bound(self, x: np.ndarray) -> Bound:
        """One batch to be answered again and again.

        Args:
            x: [N, *shape] in raw units; taken as float32.

        Raises:
            ArtifactError: the program fails on it.
        """
        inputs = np.ascontiguousarray(x, np.float32)
        outputs = Outputs(*(np.empty(each.shape, np.float32) for each in self.run(inputs)))
        return Bound(self, self._engine, inputs, outputs)


class Swapped(_Loaded):
    """A program of one member, which is run on one after the other.

    Attributes:
        members: those that there are.
        has_noise: whether it gives the noise of a regression.
    """

    def __init__(self, engine: Any, weights: Mapping[str, np.ndarray], members: Members) -> None:
        super().__init__(engine, weights)
        self.members, self.has_noise = members, len(engine.get_outputs()) > 1

    def bound(self, x: np.ndarray) -> "Again":
        """One batch to be answered again and again.

        Args:
            x: [N, *shape] in raw units; taken as float32.

        Raises:
            ArtifactError: the program fails on it.
        """
        return Again(self, np.ascontiguousarray(x, np.float32))

    def _answered(self, inputs: np.ndarray) -> Sequence[np.ndarray]:
        return self.members.each(lambda tensors: self._engine.run(None, {INPUT: inputs, **tensors}))


class Again:
    """A batch that is answered in each call, by members that are swapped.

    Attributes:
        outputs: what the last call answered.
    """

    def __init__(self, session: Swapped, x: np.ndarray) -> None:
        self._session, self._input = session, x
        self.outputs = session.run(x)

    def __call__(self) -> None:
        """Answer what was given."""
        self.outputs = self._session.run(self._input)


def open_program(
    program: bytes,
    weights: Mapping[str, np.ndarray],
    threads: int = 1,
    *,
    seed: int | None = None,
    mapped: Collection[str] = (),
    members: int | None = None,
) -> Session | Swapped:
    """Make a program ready to run; the arrays are used in place and must not be changed afterwards.

    Args:
        program: the ONNX graph, serialized.
        weights: exactly its external initializers, by name, and what it is given of its members.
        threads: how many threads one call may use.
        seed: of what it draws, if it draws anything; without one every process draws something else.
        mapped: which of the weights are those of members, `[S, *shape]`, which are given to it one after the other.
        members: how many of these are asked, the first ones; all, without a number.

    Raises:
        ArtifactError: the graph reads other files, asks for tensors that `weights` lacks (or the reverse), has another
            signature than `input` → `mean, total, data, knowledge`, or ONNX Runtime refuses it.
        RecipeError: there are not so many members, or they cannot be asked alone.
    """
    if members is not None and not mapped:
        raise RecipeError(
            f"members is {members}, and the program asks all of its members at once; "
            'pack it with form.layout = "swapped", to ask fewer'
        )
    missing = [name for name in mapped if name not in weights]
    if missing:
        raise ArtifactError(f"the program is to be given members' {missing[0]!r}, which the artifact does not hold")
    stacks = {name: weights[name] for name in mapped}
    weights = {name: each for name, each in weights.items() if name not in stacks}
    _check_external(external_tensors(program), weights)
    import onnxruntime

    options = _options(onnxruntime, threads)
    arrays = {name: np.asarray(array, order="C") for name, array in weights.items()}
    # Sessions take it when they are made, and it stays: without one of its own, this would go on with that of another.
    onnxruntime.set_seed(secrets.randbits(62) if seed is None else seed)
    try:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        if values:
            options.add_external_initializers(list(arrays), values)
        engine = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtifactError(f"ONNX Runtime refuses the program: {_first_line(error)}") from error
    if not stacks:
        _check_signature(engine)
        return Session(engine, arrays)
    return Swapped(engine, arrays, Members(stacks, _taken(engine, stacks), members))


def _check_external(tensors: list[ExternalTensor], weights: Mapping[str, np.ndarray]) -> None:
    # All that the graph leaves out must be initializers that `weights` gives: then no file is read.
    for each in tensors:
        stray = [location for location in each.locations if location != LOCATION]
        if stray or not each.initializer:
            raise ArtifactError(
                f"the program's tensor {each.name!r} is to be read from {(stray or each.locations)!r}; "
                f"only initializers at location {LOCATION!r}, which the artifact itself holds, are"
            )
    asked: set[str] = set()
    for each in tensors:
        if each.name not in weights or each.name in asked:
            how = "twice" if each.name in asked else "which the artifact does not hold"
            raise ArtifactError(f"the program asks for tensor {each.name!r}, {how}")
        asked.add(each.name)
    for name in weights:
        if name not in asked:
            raise ArtifactError(f"the artifact holds tensor {name!r}, which its program does not ask for")


def _options(onnxruntime: Any, threads: int) -> Any:
    """One call at a time on so many threads that sleep between calls; nothing logged that is not also raised."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    onnxruntime.disable_telemetry_events()
    return options


def _check_signature(engine: Any) -> None:
    inputs = [(each.name, each.type) for each in engine.get_inputs()]
    if inputs != [(INPUT, "tensor(float)")]:
        raise ArtifactError(f"the program's inputs are {inputs}; it must have one, {INPUT!r}, a tensor(float)")
    outputs = [(each.name, each.type) for each in engine.get_outputs()]
    expected = [(name, "tensor(float)") for name in Outputs._fields]
    if outputs != expected:
        raise ArtifactError(f"the program's outputs are {outputs}; they must be {expected}")


def _taken(engine: Any, stacks: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    # The shape of what a program of one member takes of each of the stacks.
    inputs = engine.get_inputs()
    names = [each.name for each in inputs]
    if names[:1] != [INPUT] or {*names[1:]} != {*stacks} or inputs[0].type != "tensor(float)":
        raise ArtifactError(f"the program's inputs are {names}; they must be {[INPUT, *stacks]}")
    outputs = [(each.name, each.type) for each in engine.get_outputs()]
    if outputs not in ([(ANSWERS, "tensor(float)")], [(ANSWERS, "tensor(float)"), (NOISE, "tensor(float)")]):
        raise ArtifactError(
            f"the outputs of a program of one member are {outputs}; they must be {ANSWERS}, and {NOISE}"
        )
    return {each.name: each.shape for each in inputs[1:]}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300].rstrip(".")
