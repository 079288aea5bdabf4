"""Whole numbers in few bytes: a table of how often each comes, and words of `ans` under it. docs/format.md has every byte."""

import numpy as np

from bitsback.artifact import ans
from bitsback.errors import ArtifactError

_MOST_KINDS = 2**16
_FARTHEST = 2**29  # of the smallest number from 0: all fit 32 bits, and so does a difference added to a mean
_PART = 2**20  # numbers that are counted at once, as int64


class Reader:
    """Takes bytes from the front; never beyond the end."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> memoryview:
        """So many bytes.

        Raises:
            ArtifactError: there are fewer.
        """
        if not 0 <= size <= len(self._data) - self._at:
            raise ArtifactError(f"it is cut off: {size} bytes are to follow byte {self._at} of {len(self._data)}")
        self._at += size
        return self._data[self._at - size : self._at]

    def whole(self) -> int:
        """A number of at least 0, seven bits a byte, the lowest first.

        Raises:
            ArtifactError: it has no end, or more than 63 bits.
        """
        value = 0
        for shift in range(0, 63, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ArtifactError(f"a number before byte {self._at} has no end")

    def close(self) -> None:
        """See that nothing is left.

        Raises:
            ArtifactError: something is.
        """
        if self._at != len(self._data):
            raise ArtifactError(f"{len(self._data) - self._at} bytes follow its end")


def whole(value: int) -> bytes:
    """As `Reader.whole` reads it."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def encode(numbers: np.ndarray, block: int = ans.BLOCK) -> bytes:
    """Whole numbers `[N]`, the largest less than 2^16 above the smallest, in a form that `decode` reads given N and `block`."""
    if not numbers.size:
        return b""
    low, kinds = int(numbers.min()), int(numbers.max()) - int(numbers.min()) + 1
    head = whole(2 * low if low >= 0 else -2 * low - 1) + whole(kinds)
    if kinds == 1:
        return head
    symbols = numbers.astype(np.int64) - low
    counts = np.bincount(symbols, minlength=kinds)
    blocks = ans.encode(symbols, ans.table(counts), block)
    sizes = b"".join(whole(len(each)) for each in blocks)
    words = b"".join(each.astype("<u4").tobytes() for each in blocks)
    return head + b"".join(whole(int(each)) for each in counts) + sizes + words


def decode(reader: Reader, count: int, block: int = ans.BLOCK) -> np.ndarray:
    """So many numbers, int32.

    Raises:
        ArtifactError: they are not what an encoder writes.
    """
    if not count:
        return np.zeros(0, np.int32)
    folded, kinds = reader.whole(), reader.whole()
    low = folded // 2 if folded % 2 == 0 else -(folded + 1) // 2
    if not 0 < kinds <= _MOST_KINDS or abs(low) > _FARTHEST:
        raise ArtifactError(f"it has {kinds} kinds of numbers from {low} on; at most {_MOST_KINDS} go")
    if kinds == 1:
        return np.full(count, low, np.int32)
    counts = np.array([reader.whole() for _ in range(kinds)], object)
    if sum(counts) != count or not counts[0] or not counts[-1]:
        raise ArtifactError(f"it says how often {sum(counts)} numbers come, and has {count}")
    sizes = [reader.whole() for _ in range(0, count, block)]
    words = [np.frombuffer(reader.take(4 * each), "<u4").astype(np.uint32) for each in sizes]
    symbols = ans.decode(words, count, ans.table(counts), block)
    parts = (np.bincount(symbols[at : at + _PART], minlength=kinds) for at in range(0, count, _PART))
    if not np.array_equal(sum(parts), counts.astype(np.int64)):
        raise ArtifactError("its numbers do not come as often as it says")
    symbols += np.int32(low)
    return symbols
