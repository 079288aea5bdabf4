"""Where elements are not zero: a pattern of rows and columns.

It is coded under the density of its row, of its column, of both, or of the whole, whichever takes the fewest bytes.
docs/format.md has every byte.
"""

import numpy as np

from bitsback.artifact import ans, numbers
from bitsback.artifact.numbers import Reader
from bitsback.errors import ArtifactError

_ROWS, _COLUMNS = 1, 2


def encode(kept: np.ndarray, block: int = ans.BLOCK) -> bytes:
    """The bytes of a pattern, bool `[O, N]`."""
    sides = (_classes(kept.sum(1)), _classes(kept.sum(0)))
    tried = []
    for how in range(4):
        told = [numbers.encode(side) for flag, side in zip((_ROWS, _COLUMNS), sides, strict=True) if how & flag]
        context = _contexts(how, *sides)
        parts = [numbers.encode(kept[context == each].astype(np.int32), block) for each in _groups(how, *sides)]
        tried.append(bytes([how]) + b"".join([*told, *parts]))
    return min(tried, key=len)


def decode(reader: Reader, rows: int, columns: int, block: int = ans.BLOCK) -> np.ndarray:
    """The pattern, bool `[rows, columns]`.

    Raises:
        ArtifactError: the bytes are none that an encoder writes.
    """
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
        bits = numbers.decode(reader, int(here.sum()), block)
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
