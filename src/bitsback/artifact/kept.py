"""A stack of tensors that share where they are not zero: the pattern once, and then the values of each member.

Whole numbers are coded as they are or as differences from the members' mean, whichever takes fewer bytes; of float32 that
bfloat16 holds exactly, the upper halves are. docs/format.md has every byte.
"""

import numpy as np

from bitsback.artifact import numbers, pattern
from bitsback.artifact.numbers import Reader
from bitsback.errors import ArtifactError

_PLAIN, _CODED, _DIFFERENCES, _HALVES = range(4)


def encode(stack: np.ndarray) -> bytes:
    """The bytes of `[S, O, ...]`, whose elements are of one byte or more, little-endian."""
    flat = stack.reshape(len(stack), stack.shape[1], -1)
    kept = (flat != 0).any(0)
    values = flat[:, kept].T  # [K, S]
    return pattern.encode(kept) + _encoded_values(values)


def decode(data: memoryview, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The stack that `encode` was given.

    Args:
        data: its bytes.
        shape: `[S, O, ...]`, no axis empty.
        dtype: of its elements, little-endian.

    Raises:
        ArtifactError: the bytes are none that an encoder writes.
    """
    reader, members = Reader(data), shape[0]
    kept = pattern.decode(reader, shape[1], int(np.prod(shape[2:], dtype=np.int64)))
    values = _decoded_values(reader, (int(kept.sum()), members), dtype)
    reader.close()
    if not (values != 0).any(1).all():
        raise ArtifactError("a weight that it keeps is zero in every member")
    stack = np.zeros((members, *kept.shape), dtype)
    stack[:, kept] = values.T
    return stack.reshape(shape)


def _encoded_values(values: np.ndarray) -> bytes:
    plain = bytes([_PLAIN]) + np.ascontiguousarray(values).tobytes()
    if values.dtype == np.dtype("<f4"):
        bits = np.ascontiguousarray(values).view("<u4").ravel()
        return plain if (bits & 0xFFFF).any() else min(plain, bytes([_HALVES]) + _encoded_halves(bits), key=len)
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 1:
        return plain
    flat = values.astype(np.int64)
    centre = _centre(flat)
    return min(
        plain,
        bytes([_CODED]) + numbers.encode(flat.ravel()),
        bytes([_DIFFERENCES]) + numbers.encode(centre) + numbers.encode((flat - centre[:, None]).ravel()),
        key=len,
    )


def _encoded_halves(bits: np.ndarray) -> bytes:
    """Upper halves: signs and most of the exponents, of which there are few different ones, coded, and the rest as it is."""
    return numbers.encode((bits >> 24).astype(np.int64)) + (bits >> 16 & 0xFF).astype(np.uint8).tobytes()


def _decoded_halves(reader: Reader, count: int) -> np.ndarray:
    upper = numbers.decode(reader, count)
    if upper.size and not (upper.min() >= 0 and upper.max() <= 0xFF):
        raise ArtifactError("the upper byte of a value of it is none")
    lower = np.frombuffer(reader.take(count), np.uint8)
    return (upper.astype("<u4") << 24 | lower.astype("<u4") << 16).view("<f4")


def _centre(values: np.ndarray) -> np.ndarray:
    """The mean of each row, rounded."""
    return (2 * values.sum(1) + values.shape[1]) // (2 * values.shape[1])


def _decoded_values(reader: Reader, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    how, count = reader.take(1)[0], shape[0] * shape[1]
    if how == _PLAIN:
        return np.frombuffer(reader.take(count * dtype.itemsize), dtype).reshape(shape)
    if how == _HALVES and dtype == np.dtype("<f4"):
        return _decoded_halves(reader, count).reshape(shape)
    if how not in {_CODED, _DIFFERENCES} or dtype.kind not in "iu" or dtype.itemsize > 1:
        raise ArtifactError(f"its values of {dtype.name} are coded in way {how}")
    centre = numbers.decode(reader, shape[0]) if how == _DIFFERENCES else np.zeros(shape[0], np.int32)
    values = numbers.decode(reader, count).reshape(shape)
    values += centre[:, None]
    limits = np.iinfo(dtype)
    if values.size and not limits.min <= values.min() <= values.max() <= limits.max:
        raise ArtifactError(f"a value of it is no {dtype.name}")
    return values.astype(dtype)
