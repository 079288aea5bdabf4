"""Loading and calling a native library, with numpy and tvm-ffi alone.

A library is machine code: it is loaded only where a caller says so.
"""

import math
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.errors import ArtifactError, MissingExtraError
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import check_runnable
from bitsback.lower.run.native.tiles import Tile
from bitsback.lower.run.onnx import Outputs

ALIGNMENT = 64


@dataclass(frozen=True)
class Entry:
    """One function of a library.

    Attributes:
        batch: for how many inputs.
        tiles: by step of the plan, how its products are cut, where not as customary.
        together: how many numbers of a channel, one for each member, are computed at a time; None for as many as customary.
    """

    batch: int
    tiles: Mapping[int, Tile] = field(default_factory=dict)
    together: int | None = None

    @property
    def name(self) -> str:
        """The function's."""
        return f"batch_{self.batch}"


@dataclass(frozen=True, eq=False)
class Library:
    """A plan, compiled.

    Attributes:
        target: a key of `targets.TARGETS`.
        code: a shared library.
        entries: its functions, the largest batch first.
    """

    target: str
    code: bytes
    entries: tuple[Entry, ...]


@dataclass(frozen=True, eq=False)
class Memory:
    """What a function needs besides its code; all numbers are float32.

    Attributes:
        inputs: the shape of what it answers at a time, `[batch, *shape]`.
        outputs: classes, or targets.
        constants: the weights in its order.
        scratch: how many numbers it computes with.
    """

    inputs: tuple[int, ...]
    outputs: int
    constants: np.ndarray
    scratch: int


class Call:
    """One function with its buffers, ready to be called.

    Attributes:
        input: `[batch, *shape]`, raw; what is answered next.
        outputs: what the last call answered.
    """

    def __init__(self, function: Any, memory: Memory) -> None:
        from tvm_ffi import from_dlpack

        batch = memory.inputs[0]
        self.input = _aligned(math.prod(memory.inputs)).reshape(memory.inputs)
        mean, *rest = (_aligned(batch * count) for count in (memory.outputs, 1, 1, 1))
        self.outputs = Outputs(mean.reshape(batch, memory.outputs), *rest)
        constants, scratch = _aligned(len(memory.constants)), _aligned(memory.scratch)
        constants[:] = memory.constants
        self._arrays = [self.input.reshape(-1), constants, scratch, mean, *rest]
        self._tensors = [from_dlpack(each) for each in self._arrays]
        self._function = function

    def __call__(self) -> None:
        """Answer what is in `input`."""
        self._function(*self._tensors)


class NativeSession:
    """A library, loaded and ready to run."""

    def __init__(self, calls: Mapping[int, Call], plan: Plan) -> None:
        self._calls = dict(sorted(calls.items(), reverse=True))
        self._plan, self._busy = plan, threading.Lock()
        self.input_shape: tuple[int | str | None, ...] = ("batch", *plan.input_shape)

    @property
    def calls(self) -> dict[int, Call]:
        """The functions by batch size, the largest first."""
        return self._calls

    def run(self, x: np.ndarray) -> Outputs:
        """Answer a batch, in pieces of the sizes that the library has; threads that share the session wait for one another.

        Args:
            x: [N, *shape] in raw units; taken as float32.

        Raises:
            ArtifactError: the inputs have another shape.
        """
        check_inputs(self._plan, x)
        found = Outputs(
            np.empty((len(x), self._plan.outputs), np.float32), *(np.empty(len(x), np.float32) for _ in "tdk")
        )
        with self._busy:
            for start, batch in pieces(len(x), [*self._calls]):
                call, count = self._calls[batch], min(batch, len(x) - start)
                call.input[:count] = x[start : start + count]
                call()
                for whole, part in zip(found, call.outputs, strict=True):
                    whole[start : start + count] = part[:count]
        return found


def check_inputs(plan: Plan, x: np.ndarray) -> None:
    """See that inputs are a library's.

    Raises:
        ArtifactError: they have another shape.
    """
    if x.shape[1:] != plan.input_shape:
        raise ArtifactError(f"the library takes inputs of shape {plan.input_shape}, and not {x.shape[1:]}")


def pieces(count: int, batches: Sequence[int]) -> Iterator[tuple[int, int]]:
    """How inputs are cut into the batches that a library has: the largest that fits, and in the end the least.

    Args:
        count: Of inputs.
        batches: The sizes.

    Yields:
        Where a piece begins and its batch, which in the end may be larger than what is left.
    """
    start = 0
    while start < count:
        batch = max((each for each in batches if each <= count - start), default=min(batches))
        yield start, batch
        start += batch


def open_library(plan: Plan, library: Library) -> NativeSession:
    """Load a library's machine code and make it ready to run.

    Args:
        plan: What it was compiled from.
        library: Trusted: its code runs with the rights of this process.

    Raises:
        ArtifactError: it is for another processor, or cannot be loaded.
        MissingExtraError: tvm-ffi is not installed.
    """
    found = functions(library.target, library.code, [entry.name for entry in library.entries])
    pairs = zip(found, library.entries, strict=True)
    return NativeSession({entry.batch: Call(function, memory(plan, entry)) for function, entry in pairs}, plan)


def memory(plan: Plan, entry: Entry) -> Memory:
    """What one function of a library that was compiled from a plan needs."""
    arrangement = arrange(plan, entry.batch, entry.tiles, entry.together)
    return Memory((entry.batch, *plan.input_shape), plan.outputs, arrangement.constants, arrangement.scratch)


def functions(target: str, code: bytes, names: Sequence[str]) -> list[Any]:
    """Load machine code.

    Args:
        target: What it is for, a key of `targets.TARGETS`.
        code: A shared library, trusted: it runs with the rights of this process.
        names: Of its functions that are wanted.

    Raises:
        ArtifactError: it is for another processor, or cannot be loaded.
        MissingExtraError: tvm-ffi is not installed.
    """
    check_runnable(target)
    try:
        import tvm_ffi
    except ImportError as error:
        raise MissingExtraError(
            'native libraries need tvm-ffi; install it with pip install "bitsback[native]"'
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.so"
        try:
            path.write_bytes(code)
            module = tvm_ffi.load_module(str(path))
            return [module[name] for name in names]
        except Exception as error:  # a loader's errors are of many kinds
            raise ArtifactError(f"a library for {target} cannot be loaded: {_first_line(error)}") from error


def _aligned(count: int) -> np.ndarray:
    """Zeros at an address that vectors of every width can be read from."""
    room = np.zeros(4 * count + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + 4 * count].view(np.float32)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300].rstrip(".")
