"""Whole numbers as words of an asymmetric numeral system, block by block, under given frequencies.

Duda, "Asymmetric numeral systems" (arXiv 1311.2540), with 64 bits of state, words of 32 and frequencies of 24, as in the
library constriction (Bamler, arXiv 2201.01741), which does it where it is installed. Elsewhere (there is no build of it for
Linux on ARM) numpy does, all blocks at once; the words are the same.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bitsback.errors import ArtifactError

PRECISION = 24
BLOCK = 4096
"""Symbols of a block, but for the last one, unless more are asked for; each block is decoded by itself."""
_TOGETHER = 256
"""Blocks that numpy decodes at once: what they take in memory does not grow with the file."""
_TOTAL = 1 << PRECISION
_WORD = np.uint64(32)
_MASK, _LOW = np.uint64(_TOTAL - 1), np.uint64(2**32 - 1)
_SHIFT = np.uint64(PRECISION)


class Table(NamedTuple):
    """How often each symbol comes, of 2^24 times.

    Attributes:
        left: `[n + 1]`, the sums of the frequencies before each.
    """

    left: np.ndarray

    @property
    def frequencies(self) -> np.ndarray:
        """`[n]`, each at least 1."""
        return np.diff(self.left)


def table(counts: np.ndarray) -> Table:
    """The frequencies that follow from how often each of n symbols was counted, n from 1 to 2^16, by whole numbers alone.

    Each gets 1 and its share of the rest, rounded down; what is left over goes to the one that was counted most.
    """
    exact = [int(each) for each in counts]
    room, whole = _TOTAL - len(exact), max(sum(exact), 1)
    found = [1 + each * room // whole for each in exact]
    found[int(np.argmax(counts))] += _TOTAL - sum(found)
    return Table(np.concatenate([[0], np.cumsum(found)]).astype(np.uint64))


def encode(symbols: np.ndarray, of: Table, block: int = BLOCK) -> list[np.ndarray]:
    """The words of each block.

    Args:
        symbols: `[N]`, numbers below n.
        of: their frequencies.
        block: How many symbols a block has.
    """
    blocks = [symbols[start : start + block] for start in range(0, len(symbols), block)]
    coder = _constriction()
    if coder is None:
        return encode_in_numpy(blocks, of)
    model = _model(coder, of)
    found = []
    for each in blocks:
        ans = coder.stream.stack.AnsCoder()
        ans.encode_reverse(each.astype(np.int32), model)
        found.append(ans.get_compressed())
    return found


def decode(words: Sequence[np.ndarray], count: int, of: Table, block: int = BLOCK) -> np.ndarray:
    """The symbols that `encode` was given.

    Args:
        words: of each block.
        count: how many symbols there are.
        of: their frequencies.
        block: How many symbols a block has.

    Raises:
        ArtifactError: the words are none that an encoder writes.
    """
    sizes = [min(block, count - start) for start in range(0, count, block)]
    if any(32 * len(each) > PRECISION * size + 64 for each, size in zip(words, sizes, strict=True)):
        raise ArtifactError("a block of coded numbers has more words than its numbers need")
    coder = _constriction()
    if coder is None:
        groups = [slice(start, start + _TOGETHER) for start in range(0, len(sizes), _TOGETHER)]
        parts = [decode_in_numpy(words[each], sizes[each], of) for each in groups]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)
    model, found = _model(coder, of), []
    for each, size in zip(words, sizes, strict=True):
        try:
            ans = coder.stream.stack.AnsCoder(each)
        except ValueError as error:
            raise ArtifactError("a block of coded numbers ends in a zero word") from error
        found.append(ans.decode(model, size))
        if not ans.is_empty():
            raise ArtifactError("a block of coded numbers does not end where its numbers do")
    return np.concatenate(found) if found else np.zeros(0, np.int32)


def encode_in_numpy(blocks: Sequence[np.ndarray], of: Table) -> list[np.ndarray]:
    """As `encode`, of blocks, all at once."""
    state = np.zeros(len(blocks), np.uint64)
    written: list[list[int]] = [[] for _ in blocks]
    frequencies = of.frequencies
    for place in range(max((len(each) for each in blocks), default=0) - 1, -1, -1):
        active = np.array([index for index, each in enumerate(blocks) if place < len(each)])
        symbols = np.array([blocks[index][place] for index in active])
        share, left = frequencies[symbols], of.left[symbols]
        now = state[active]
        full = (now >> np.uint64(64 - PRECISION)) >= share
        for index in np.flatnonzero(full):
            written[active[index]].append(int(now[index] & _LOW))
        now = np.where(full, now >> _WORD, now)
        state[active] = ((now // share) << _SHIFT) | (left + now % share)
    for words, last in zip(written, state, strict=True):
        rest = int(last)
        while rest:
            words.append(rest & int(_LOW))
            rest >>= 32
    return [np.array(words, np.uint32) for words in written]


def decode_in_numpy(words: Sequence[np.ndarray], sizes: Sequence[int], of: Table) -> np.ndarray:
    """As `decode`, all blocks at once.

    Args:
        words: of each block.
        sizes: how many symbols each has; all but the last have as many.
        of: their frequencies.

    Raises:
        ArtifactError: as `decode`.
    """
    if not sizes:
        return np.zeros(0, np.int32)
    if any(len(each) and each[-1] == 0 for each in words):
        raise ArtifactError("a block of coded numbers ends in a zero word")
    ends = np.array([len(each) for each in words])
    stack = np.zeros((len(words), max(int(ends.max()), 1)), np.uint64)
    for row, each in zip(stack, words, strict=True):
        row[: len(each)] = each
    rows, state = np.arange(len(words)), np.zeros(len(words), np.uint64)
    found = np.zeros((len(words), max(sizes)), np.int32)
    lengths = np.array(sizes)

    def filled(state: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        short = (state <= _LOW) & (ends > 0)
        word = stack[rows, np.maximum(ends - 1, 0)]
        return np.where(short, (state << _WORD) | word, state), ends - short

    for _ in range(2):
        state, ends = filled(state, ends)
    for place in range(max(sizes)):
        quantile = state & _MASK
        symbols = np.searchsorted(of.left, quantile, side="right") - 1
        after = (state >> _SHIFT) * of.frequencies[symbols] + quantile - of.left[symbols]
        active = place < lengths
        found[:, place] = symbols
        moved, shorter = filled(after, ends)
        state, ends = np.where(active, moved, state), np.where(active, shorter, ends)
    if state.any() or ends.any():
        raise ArtifactError("a block of coded numbers does not end where its numbers do")
    return np.concatenate([row[:size] for row, size in zip(found, sizes, strict=True)])


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        return None
    return constriction


def _model(coder: Any, of: Table) -> Any:
    """Its categorical model gives each symbol 1 and its share of the rest, which is therefore what it is told."""
    weights = (of.frequencies - np.uint64(1)).astype(np.float64)
    return coder.stream.model.Categorical(weights, perfect=False)
