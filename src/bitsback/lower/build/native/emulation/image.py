"""The memory of a program that only calls a library's functions: what it reads and writes, and what it calls, byte by byte.

It lies at an address that is known beforehand, so that every pointer in it is a number. First come how many calls there are
and where they are listed, each with the address of its function's name, that of its arguments, and how many these are. An
argument is tvm-ffi's `TVMFFIAny` that holds DLPack's `DLTensor*`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bitsback.lower.run.native.library import ALIGNMENT, Entry, Library, pieces
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.onnx import Outputs

BASE = 2**36
"""Where the image lies: far from where Linux puts programs, libraries, heap and stack."""

_CALL = np.dtype([("name", "<u8"), ("arguments", "<u8"), ("count", "<u8")])
_ARGUMENT = np.dtype([("kind", "<i4"), ("padding", "<u4"), ("tensor", "<u8")])
_TENSOR = np.dtype([
    ("data", "<u8"), ("device", "<i4", 2), ("axes", "<i4"), ("kind", "u1"), ("bits", "u1"), ("lanes", "<u2"),
    ("shape", "<u8"), ("strides", "<u8"), ("offset", "<u8"),
])  # fmt: skip
_DLTENSOR_POINTER, _CPU, _FLOAT = 7, 1, 2  # of tvm-ffi and DLPack


class Image(NamedTuple):
    """What the program finds in memory.

    Attributes:
        content: from `BASE` on.
        outputs: where in it mean, total, data and knowledge begin, and their shapes: at least one row for each input.
    """

    content: bytes
    outputs: tuple[tuple[int, tuple[int, ...]], ...]

    def answers(self, content: bytes, count: int) -> Outputs:
        """The first `count` answers, from what the memory holds in the end."""
        found = (
            np.frombuffer(content, "<f4", math.prod(shape), start).reshape(shape)[:count].astype(np.float32)
            for start, shape in self.outputs
        )
        return Outputs(*found)


def image(plan: Plan, library: Library, inputs: np.ndarray) -> Image:
    """The memory in which a library answers inputs.

    Args:
        plan: What the library was compiled from.
        library: Whose functions are called.
        inputs: Raw `[N, *shape]`.
    """
    cut = list(pieces(len(inputs), [entry.batch for entry in library.entries]))
    rows = sum(cut[-1]) if cut else 0
    room = _Room()
    header = room.add(np.zeros(2, "<u8"))
    shapes = [(rows, *plan.input_shape), (rows, plan.outputs), *[(rows,)] * 3]
    values = [np.zeros(shape, "<f4") for shape in shapes]
    values[0][: len(inputs)] = inputs
    whole = [(room.add(each), math.prod(each.shape[1:])) for each in values]
    used = {batch for _, batch in cut}
    own = {entry.batch: _own(room, plan, entry) for entry in library.entries if entry.batch in used}
    calls = np.zeros(len(cut), _CALL)
    for index, (start, batch) in enumerate(cut):
        name, constants, scratch = own[batch]
        first, *rest = [(at + 4 * start * width, batch * width) for at, width in whole]
        arguments = [first, constants, scratch, *rest]
        calls[index] = (name, _arguments(room, arguments), len(arguments))
    room.put(header, np.array([len(cut), room.add(calls)], "<u8"))
    outputs = [(at - BASE, shape) for (at, _), shape in zip(whole[1:], shapes[1:], strict=True)]
    return Image(room.content(), tuple(outputs))


_Buffer = tuple[int, int]  # its address, and how many numbers it has


def _own(room: "_Room", plan: Plan, entry: Entry) -> tuple[int, _Buffer, _Buffer]:
    """Where a function's name, constants and scratch buffer lie."""
    arrangement = arrange(plan, entry.batch, entry.tiles, entry.together)
    name = room.add(np.frombuffer(f"__tvm_ffi_{entry.name}\0".encode(), np.uint8))
    constants, scratch = arrangement.constants.astype("<f4"), np.zeros(arrangement.scratch, "<f4")
    return name, (room.add(constants), constants.size), (room.add(scratch), scratch.size)


def _arguments(room: "_Room", buffers: Sequence[_Buffer]) -> int:
    """Where buffers are listed as a function takes them."""
    found = np.zeros(len(buffers), _ARGUMENT)
    for index, (at, size) in enumerate(buffers):
        shape, strides = (room.add(np.array([each], "<i8")) for each in (size, 1))
        tensor = np.array((at, (_CPU, 0), 1, _FLOAT, 32, 1, shape, strides, 0), _TENSOR)
        found[index] = (_DLTENSOR_POINTER, 0, room.add(tensor))
    return room.add(found)


class _Room:
    """Arrays one after another, each where vectors of every width can be read from."""

    def __init__(self) -> None:
        self._content = bytearray()

    def add(self, values: np.ndarray) -> int:
        """The address of an array."""
        self._content.extend(bytes(-len(self._content) % ALIGNMENT))
        start = len(self._content)
        self._content.extend(values.tobytes())
        return BASE + start

    def put(self, address: int, values: np.ndarray) -> None:
        """An array in the place of one of its size."""
        self._content[address - BASE : address - BASE + values.nbytes] = values.tobytes()

    def content(self) -> bytes:
        """All of them."""
        return bytes(self._content)
