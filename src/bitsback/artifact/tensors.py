"""A tensor as bytes, and back, in the smallest of four encodings.

It is `dense`, or a `bitmap` of the non-zeros followed by their values, or what `members` keep (`kept`): one pattern for all of
a stack, or floats of a `codebook`, of which there are few different ones. Every tensor comes back bit for bit, NaNs included,
but for the sign of a zero that no value is stored of: a mask multiplied with negative weights leaves minus zeros, and they
count as the zeros that they are. docs/format.md has the layout.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bitsback.artifact import codebook, kept
from bitsback.errors import ArtifactError

ALIGNMENT = 64
ENCODINGS = ("dense", "bitmap", "members", "codebook")
CODED = frozenset({"members", "codebook"})
MOST_TIMES = 1024
"""How many times the bytes that it takes in the file a coded tensor may take in memory."""
_WORTH = 16
"""Bytes that a codebook has to save against the elements as they are: a few are not worth the decoding."""
LARGEST = 2**40
MOST_AXES = 16
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool")
}


@dataclass(frozen=True)
class StoredTensor:
    """Where and how the weights section holds one tensor.

    Attributes:
        name: the name of the program's initializer.
        dtype: one of `DTYPES`.
        shape: its axes; () for a scalar.
        encoding: one of `ENCODINGS`.
        offset: bytes from the start of the weights section, where `placed` has it.
        size: bytes in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    encoding: str
    offset: int
    size: int

    def __post_init__(self) -> None:
        if not self.name:
            raise ArtifactError("a tensor has no name")
        if self.dtype not in DTYPES:
            raise ArtifactError(f"tensor {self.name!r} has dtype {self.dtype!r}; known are {', '.join(DTYPES)}")
        if self.encoding not in ENCODINGS:
            raise ArtifactError(
                f"tensor {self.name!r} has encoding {self.encoding!r}; known are {', '.join(ENCODINGS)}"
            )
        if len(self.shape) > MOST_AXES or any(not 0 <= axis < LARGEST for axis in self.shape):
            raise ArtifactError(f"tensor {self.name!r} has an impossible shape {str(self.shape)[:80]}")
        if math.prod(max(axis, 1) for axis in self.shape) * self.itemsize > LARGEST:
            raise ArtifactError(f"tensor {self.name!r} of shape {self.shape} is larger than {LARGEST} bytes")
        self._check_size()

    def _check_size(self) -> None:
        # A size that the shape cannot have is refused before anything is allocated for the shape.
        whole = self.count * self.itemsize
        lowest, highest = {
            "dense": (whole, whole),
            "bitmap": (_bitmap_bytes(self.count), _bitmap_bytes(self.count) + whole),
            **dict.fromkeys(CODED, (max(-(-whole // MOST_TIMES), 1), whole - 1)),
        }[self.encoding]
        if self.encoding == "members" and (len(self.shape) < 3 or not self.count):
            raise ArtifactError(f"tensor {self.name!r} of shape {self.shape} is no stack that members could share")
        if self.encoding == "codebook" and (DTYPES[self.dtype].kind != "f" or not self.count):
            raise ArtifactError(
                f"tensor {self.name!r} of shape {self.shape} is of no floats that a codebook could list"
            )
        if not lowest <= self.size <= highest:
            raise ArtifactError(
                f"tensor {self.name!r} of shape {self.shape} and dtype {self.dtype} cannot take {self.size} bytes "
                f"as {self.encoding}, only {lowest}{f' to {highest}' * (highest > lowest)}"
            )

    @property
    def count(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return DTYPES[self.dtype].itemsize


def pack(name: str, array: np.ndarray, end: int, *, densely: bool = False) -> tuple[StoredTensor, bytes]:
    """One tensor's entry and bytes, in the smallest of the encodings, the simplest where two are as small.

    Args:
        name: of the initializer.
        array: its elements.
        end: of the tensor before it, bytes from the start of the weights section.
        densely: whether it is to be stored as it is, however large.

    Raises:
        ArtifactError: the format has no such dtype.
    """
    dtype = DTYPES.get(array.dtype.name)
    if dtype is None:
        raise ArtifactError(f"tensor {name!r} has dtype {array.dtype}; the format knows {', '.join(DTYPES)}")
    found = np.ascontiguousarray(array, dtype).reshape(array.shape)  # a scalar stays one
    encodings = [("dense", found.tobytes())] if densely else [*_encodings(found)]
    encoding, data = min(encodings, key=lambda each: len(each[1]))
    return StoredTensor(name, array.dtype.name, array.shape, encoding, placed(encoding, end), len(data)), data


def _encodings(array: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """A tensor in all encodings that it can have, the simplest first.

    Yields:
        The encoding and the bytes.
    """
    flat = array.reshape(-1)
    yield "dense", flat.tobytes()
    marked = flat != 0
    yield "bitmap", np.packbits(marked, bitorder="little").tobytes() + flat[marked].tobytes()
    least = -(-flat.nbytes // MOST_TIMES)
    if array.ndim > 2 and array.size and len(coded := kept.encode(array)) >= least:
        yield "members", coded
    coded = codebook.encode(array) if array.dtype.kind == "f" else None
    if coded is not None and least <= len(coded) <= array.nbytes - _WORTH:
        yield "codebook", coded


def unpack(stored: StoredTensor, data: memoryview) -> np.ndarray:
    """The tensor, read-only; a dense one is a view of `data`.

    Args:
        stored: its entry.
        data: its `stored.size` bytes.

    Raises:
        ArtifactError: what is stored does not fit the shape, or a bool is neither 0 nor 1.
    """
    integer = f"<u{stored.itemsize}"
    if not stored.count:
        raw = np.zeros(0, integer)
    elif stored.encoding == "dense":
        raw = np.frombuffer(data, integer)
    elif stored.encoding == "bitmap":
        raw = _unpack_bitmap(stored, data, integer)
    else:
        raw = _decoded(stored, data).reshape(-1).view(integer)
    if stored.dtype == "bool" and bool((raw > 1).any()):
        raise ArtifactError(f"tensor {stored.name!r} is of bools and holds {raw.max()}; only 0 and 1 are")
    array = raw.view(DTYPES[stored.dtype]).reshape(stored.shape)
    array.flags.writeable = False
    return array


def check_layout(tensors: Iterable[StoredTensor], size: int) -> None:
    """See that the tensors lie one after the other, each where `placed` has it, and fill `size` bytes.

    Raises:
        ArtifactError: an offset leaves a hole, overlaps another tensor or points outside, or a name stands twice.
    """
    names: set[str] = set()
    end = 0
    for each in tensors:
        if each.name in names:
            raise ArtifactError(f"tensor {each.name!r} stands in the index twice")
        if each.offset != placed(each.encoding, end):
            raise ArtifactError(
                f"tensor {each.name!r} is said to be at {each.offset}, where only {placed(each.encoding, end)} fits"
            )
        names.add(each.name)
        end = each.offset + each.size
    if end != size:
        raise ArtifactError(f"the tensors take {end} bytes, and the section that holds them has {size}")


def placed(encoding: str, end: int) -> int:
    """Where a tensor begins after the one before it: at a multiple of `ALIGNMENT`, or at once, where its bytes are decoded."""
    return end if encoding == "codebook" else aligned(end)


def aligned(position: int) -> int:
    """The next multiple of `ALIGNMENT`."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def _bitmap_bytes(count: int) -> int:
    return (count + 7) // 8


def _decoded(stored: StoredTensor, data: memoryview) -> np.ndarray:
    decode = codebook.decode if stored.encoding == "codebook" else kept.decode
    try:
        return decode(data, stored.shape, DTYPES[stored.dtype])
    except ArtifactError as error:
        raise ArtifactError(f"tensor {stored.name!r} is damaged: {error}") from error


def _unpack_bitmap(stored: StoredTensor, data: memoryview, integer: str) -> np.ndarray:
    split = _bitmap_bytes(stored.count)
    bits = np.frombuffer(data[:split], np.uint8)
    spare = stored.count % 8
    if spare and bits[-1] >> spare:
        raise ArtifactError(f"the bitmap of tensor {stored.name!r} has bits beyond its {stored.count} elements")
    kept = int(np.bitwise_count(bits).sum(dtype=np.int64))
    if split + kept * stored.itemsize != stored.size:
        raise ArtifactError(
            f"the bitmap of tensor {stored.name!r} marks {kept} values, and {stored.size - split} bytes follow it, "
            f"not {kept * stored.itemsize}"
        )
    raw = np.zeros(stored.count, integer)
    mask = np.unpackbits(bits, count=stored.count, bitorder="little").view(np.bool_)
    if kept:
        raw[np.flatnonzero(mask)] = np.frombuffer(data[split:], integer)
    return raw
