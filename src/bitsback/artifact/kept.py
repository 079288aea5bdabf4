"""A stack of tensors that share where they are not zero: the pattern once, and then the values of each member.

The pattern is coded under the density of its row, of its column, of both, or of the whole, whichever takes the fewest bytes;
whole numbers as they are or as differences from the members' mean, likewise. docs/format.md has every byte.
"""

import numpy as np

from bitsback.artifact import numbers
from bitsback.artifact.numbers import Reader
from bitsback.errors import ArtifactError

_ROWS, _COLUMNS = 1, 2
_PLAIN, _CODED, _DIFFERENCES = range(3)


def encode(stack: np.ndarray) -> bytes:
    """The bytes of `[S, O, ...]`, whose elements are of one byte or more, little-endian."""
    flat = stack.reshape(len(stack), stack.shape[1], -1)
    kept = (flat != 0).any(0)
    values = flat[:, kept].T  # [K, S]
    return _encoded_pattern(kept) + _encoded_values(values)


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
    kept = _decoded_pattern(reader, shape[1], int(np.prod(shape[2:], dtype=np.int64)))
    values = _decoded_values(reader, (int(kept.sum()), members), dtype)
    reader.close()
    if not (values != 0).any(1).all():
        raise ArtifactError("a weight that it keeps is zero in every member")
    stack = np.zeros((members, *kept.shape), dtype)
    stack[:, kept] = values.T
    return stack.reshape(shape)


def _encoded_pattern(kept: np.ndarray) -> bytes:
    sides = (_classes(kept.sum(1)), _classes(kept.sum(0)))
    tried = []
    for how in range(4):
        told = [numbers.encode(side) for flag, side in zip((_ROWS, _COLUMNS), sides, strict=True) if how & flag]
        context = _contexts(how, *sides)
        parts = [numbers.encode(kept[context == each].astype(np.int32)) for each in _groups(how, *sides)]
        tried.append(bytes([how]) + b"".join([*told, *parts]))
    return min(tried, key=len)


def _decoded_pattern(reader: Reader, rows: int, columns: int) -> np.ndarray:
    how = reader.take(1)[0]
    if how > _ROWS + _COLUMNS:
        raise ArtifactError(f"its pattern is coded in way {how}; there are 0 to 3")
    of_rows = numbers.decode(reader, rows) if how & _ROWS else np.zeros(rows, np.int64)
    of_columns = numbers.decode(reader, columns) if how & _COLUMNS else np.zeros(columns, np.int64)
    for side, most in ((of_rows, columns), (of_columns, rows)):
        if not (side >= 0).all() or not (side <= _classes(np.array([most]))[0]).all():
            raise ArtifactError("a row or column of its pattern is of a class that keeps more than there is")
    context = _contexts(how, of_rows, of_columns)
    kept = np.zeros((rows, columns), bool)
    for each in _groups(how, of_rows, of_columns):
        here = context == each
        bits = numbers.decode(reader, int(here.sum()))
        if not ((bits == 0) | (bits == 1)).all():
            raise ArtifactError("its pattern holds something else than 0 and 1")
        kept[here] = bits
    for flag, side, axis in ((_ROWS, of_rows, 1), (_COLUMNS, of_columns, 0)):
        if how & flag and not np.array_equal(_classes(kept.sum(axis)), side):
            raise ArtifactError("the rows or columns of its pattern do not keep as many as it says")
    return kept


def _classes(counts: np.ndarray) -> np.ndarray:
    """Half octaves: 0 of nothing, else twice the number of bits, and one more in the upper half of these numbers."""
    bits = np.frexp(counts.astype(np.float64))[1].astype(np.int64)
    return 2 * bits + np.where(bits > 1, counts >> np.maximum(bits - 2, 0) & 1, 0)


def _contexts(how: int, of_rows: np.ndarray, of_columns: np.ndarray) -> np.ndarray:
    """What an element's chance to be kept is told by: the sum of its row's class and its column's."""
    rows, columns = (side * bool(how & flag) for flag, side in ((_ROWS, of_rows), (_COLUMNS, of_columns)))
    return np.add.outer(rows.astype(np.uint8), columns.astype(np.uint8))  # a class is below 128


def _groups(how: int, of_rows: np.ndarray, of_columns: np.ndarray) -> np.ndarray:
    """The contexts that there can be, in order."""
    return np.unique(_contexts(how, np.unique(of_rows), np.unique(of_columns)))


def _encoded_values(values: np.ndarray) -> bytes:
    plain = bytes([_PLAIN]) + np.ascontiguousarray(values).tobytes()
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


def _centre(values: np.ndarray) -> np.ndarray:
    """The mean of each row, rounded."""
    return (2 * values.sum(1) + values.shape[1]) // (2 * values.shape[1])


def _decoded_values(reader: Reader, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    how, count = reader.take(1)[0], shape[0] * shape[1]
    if how == _PLAIN:
        return np.frombuffer(reader.take(count * dtype.itemsize), dtype).reshape(shape)
    if how not in {_CODED, _DIFFERENCES} or dtype.kind not in "iu" or dtype.itemsize > 1:
        raise ArtifactError(f"its values of {dtype.name} are coded in way {how}")
    centre = numbers.decode(reader, shape[0]) if how == _DIFFERENCES else np.zeros(shape[0], np.int32)
    values = numbers.decode(reader, count).reshape(shape)
    values += centre[:, None]
    limits = np.iinfo(dtype)
    if values.size and not limits.min <= values.min() <= values.max() <= limits.max:
        raise ArtifactError(f"a value of it is no {dtype.name}")
    return values.astype(dtype)
