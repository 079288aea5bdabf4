"""Which files an ONNX graph wants to read, found without the onnx package.

A tensor of a graph may live outside of it, "at location X, from byte Y". A graph from a stranger may ask for any file.
Before ONNX Runtime sees a graph, its protocol buffer is walked here (the wire format is tag, length, bytes:
https://protobuf.dev/programming-guides/encoding/; the field numbers are those of onnx.proto3), and every tensor that
points outside is found, wherever it hides: in initializers, sparse ones, attributes, subgraphs, functions.
"""

from collections.abc import Iterator
from typing import NamedTuple

from bitsback.errors import ArtifactError

_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "main graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "main graph": {1: "node", 5: "initializer", 15: "sparse"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
}
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class ExternalTensor(NamedTuple):
    """A tensor that a graph leaves to someone else.

    Attributes:
        name: its name in the graph.
        locations: the files it wants to be read from, as written.
        initializer: whether it is an initializer of the main graph, where it can be given from memory.
    """

    name: str
    locations: tuple[str, ...]
    initializer: bool


def external_tensors(program: bytes) -> list[ExternalTensor]:
    """All tensors of an ONNX model that have data outside of it.

    Raises:
        ArtifactError: the bytes are not a protocol buffer.
    """
    found: list[ExternalTensor] = []
    waiting = [("model", 0, len(program))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind in {"initializer", "tensor"}:
            found.extend(_outside(program, start, end, kind == "initializer"))
            continue
        inside = _INSIDE[kind]
        waiting.extend((inside[tag], low, high) for tag, low, high, _ in _fields(program, start, end) if tag in inside)
    return found


def _outside(program: bytes, start: int, end: int, initializer: bool) -> Iterator[ExternalTensor]:
    # The tensor, if any of its data is external.
    name, external, locations = b"", False, []
    for tag, low, high, value in _fields(program, start, end):
        if tag == _NAME:
            name = program[low:high]
        elif tag == _DATA_LOCATION:
            external = external or value != 0
        elif tag == _EXTERNAL_DATA:
            external = True
            pair = {inner: program[a:b] for inner, a, b, _ in _fields(program, low, high)}
            if pair.get(_KEY) == b"location":
                locations.append(pair.get(_VALUE, b"").decode(errors="replace"))
    if external:
        yield ExternalTensor(name.decode(errors="replace"), tuple(locations), initializer)


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    # The fields of one message: (number, where its bytes start, where they end, its value if it is a number).
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        if tag >= 2**32:  # the C++ parser would cut it to 32 bits and see another field
            raise ArtifactError(f"the program is not an ONNX graph: tag {tag} at byte {position}")
        wire, value = tag & 7, 0
        low = position
        if wire == _VARINT:
            value, position = _varint(data, position, end)
        elif wire == _BYTES:
            size, low = _varint(data, position, end)
            position = low + size
        elif wire in {_FIXED32, _FIXED64}:
            position += 4 if wire == _FIXED32 else 8
        else:
            raise ArtifactError(f"the program is not an ONNX graph: wire type {wire} at byte {low}")
        if position > end:
            raise ArtifactError(f"the program is not an ONNX graph: it is cut off in the field at byte {low}")
        if wire == _BYTES or tag >> 3 == _DATA_LOCATION:
            yield tag >> 3, low, position, value


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    # An integer of 7 bits a byte, and the position after it.
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ArtifactError(f"the program is not an ONNX graph: no whole number ends at byte {position}")
