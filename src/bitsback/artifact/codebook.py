"""A tensor of few different numbers: where it is not zero, a list of the numbers, and which of them each element is.

Zero is a symbol like the others; it has a pattern of its own so that rows and columns that are nearly all zero cost nearly
nothing. docs/format.md has every byte.
"""

import numpy as np

from bitsback.artifact import numbers, pattern
from bitsback.artifact.numbers import Reader
from bitsback.errors import ArtifactError

MOST_LEVELS = 256
"""Different numbers beside zero."""
MOST_MULTIPLE = 127
_BLOCK = 2**16
"""Symbols that are decoded by themselves; each block costs some four bytes, as much as a hundred zeros and more."""
_EXACT, _HALVES, _MULTIPLES, _BYTES = range(4)
_PROBED = 4096  # elements that are looked at first: most tensors have more different numbers among them than a codebook


def encode(array: np.ndarray) -> bytes | None:
    """The bytes of a little-endian tensor of floats, or None where they are too many different ones or not finite."""
    flat = array.reshape(-1)
    if not flat.size or len(np.unique(flat[:_PROBED])) > MOST_LEVELS + 1:
        return None
    levels = np.unique(flat)
    if not np.isfinite(levels).all() or len(levels) > MOST_LEVELS + 1:
        return None
    kept = _matrix(flat != 0, array.shape)
    levels = levels[levels != 0]
    how, told, symbols = _encoded_levels(levels)
    values = symbols[np.searchsorted(levels, flat[flat != 0])]
    coded = numbers.encode(values, _BLOCK)
    if how == _MULTIPLES and values.size < len(coded):
        how, coded = _BYTES, values.astype(np.int8).tobytes()
    return pattern.encode(kept, _BLOCK) + bytes([how]) + told + coded


def decode(data: memoryview, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The tensor that `encode` was given, but for the sign of its zeros.

    Args:
        data: its bytes.
        shape: no axis of it empty.
        dtype: of its elements, little-endian floats.

    Raises:
        ArtifactError: the bytes are none that an encoder writes.
    """
    reader, found = Reader(data), np.zeros(shape, dtype)
    rows, columns = _matrix(found, shape).shape
    kept = pattern.decode(reader, rows, columns, _BLOCK).reshape(shape)
    how, count = reader.take(1)[0], int(kept.sum())
    levels, first = _decoded_levels(reader, how, dtype)
    plain = how == _BYTES
    symbols = np.frombuffer(reader.take(count), np.int8) if plain else numbers.decode(reader, count, _BLOCK)
    symbols = symbols.astype(np.int32) - first
    reader.close()
    if symbols.size and not (symbols.min() >= 0 and symbols.max() < len(levels)):
        raise ArtifactError(f"it names a number that is none of its {len(levels)}")
    found[kept] = levels[symbols]
    if not np.isfinite(found).all():
        raise ArtifactError("a multiple of its step is not finite")
    return found


def _matrix(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """As rows and columns: a vector is one row."""
    return flat.reshape(shape[0] if len(shape) > 1 else 1, -1)


def _encoded_levels(levels: np.ndarray) -> tuple[int, bytes, np.ndarray]:
    """In which way, the numbers in few bytes, and the symbol of each: their place, or which multiple of a step they are."""
    with np.errstate(all="ignore"):  # what is found is looked at
        step, halves = _step(levels), levels.astype("<f2")
    if step is not None:
        return _MULTIPLES, step.tobytes(), np.round(levels / step).astype(np.int64)
    exact = np.array_equal(halves.astype(levels.dtype), levels)
    how, stored = (_HALVES, halves) if exact else (_EXACT, levels)
    return how, numbers.whole(len(levels)) + stored.tobytes(), np.arange(len(levels))


def _decoded_levels(reader: Reader, how: int, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """The numbers in order, and the symbol of the first of them.

    Raises:
        ArtifactError: they are none that an encoder writes.
    """
    if how in {_MULTIPLES, _BYTES}:
        step = np.frombuffer(reader.take(dtype.itemsize), dtype)
        if not np.isfinite(step).all() or step <= 0:
            raise ArtifactError(f"its numbers are multiples of {step[0]}")
        return _multiples(step), -MOST_MULTIPLE
    if how > _BYTES:
        raise ArtifactError(f"its numbers are listed in way {how}; there are 0 to {_BYTES}")
    kind, count = np.dtype("<f2") if how == _HALVES else dtype, reader.whole()
    if count > MOST_LEVELS:
        raise ArtifactError(f"it lists {count} numbers; at most {MOST_LEVELS} go")
    levels = np.frombuffer(reader.take(count * kind.itemsize), kind).astype(dtype)
    if not np.isfinite(levels).all() or not (levels != 0).all() or not (np.diff(levels) > 0).all():
        raise ArtifactError("its numbers are not different, finite and in order")
    return levels, 0


def _multiples(step: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # of a large step not all are taken
        return np.arange(-MOST_MULTIPLE, MOST_MULTIPLE + 1).astype(step.dtype) * step


def _step(levels: np.ndarray) -> np.ndarray | None:
    """The number `[1]` that all are rounded multiples of, if there is one."""
    if not levels.size:
        return None
    largest = np.abs(levels).max(keepdims=True)
    times = np.round(largest / np.abs(np.concatenate([levels, np.diff(levels)])).min())
    if times > MOST_MULTIPLE:
        return None
    about = (largest / times).astype(levels.dtype)
    for step in (about, np.nextafter(about, 0), np.nextafter(about, largest + 1)):
        if np.array_equal(np.round(levels / step).astype(levels.dtype) * step, levels):
            return step
    return None
