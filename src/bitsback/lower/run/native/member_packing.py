"""The weights of a layer of members in the order in which they are read: what is zero in every member is left out."""

from dataclasses import dataclass

import numpy as np

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.halves import upper_halves
from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.members import MemberProduct, MemberWeights
from bitsback.lower.run.native.tiles import Tile

_UNROLL = 8
"""At most so many numbers are added up at a time where an output has fewer weights: what is missing is filled up."""


@dataclass(frozen=True)
class KeptWeights:
    """In blocks of outputs, `tile.vectors` of which keep the same weights.

    Attributes:
        starts: `[blocks + 1]`, where the weights of each block begin, in whole turns of the unrolled loop.
        offsets: `[K]`, how far behind the first number of a position the number lies that a weight is multiplied by; the last
            of a block is repeated, with zeros for weights, until its turns are whole. Empty where all are kept, in order.
        numbers: `[parts, K, outputs of a block, members of a part]`.
        scale: `[parts, O, members of a part]`.
        bias: `[parts, O, members of a part]`.
    """

    starts: np.ndarray
    offsets: np.ndarray
    numbers: np.ndarray
    scale: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class MemberLayer:
    """A layer of members with all that its code needs: offsets are in the buffer of constants.

    Attributes:
        step: what it computes.
        source: where its input lies.
        target: where its output goes.
        tile: how it is cut.
        spread: how far it is from one channel of the input to the next: as many numbers as a channel has, or 1 where the input
            is what all members have in common.
        width: numbers of one output that are computed at a time, one for each member.
        starts: the offset of `KeptWeights.starts`, and so on.
        apart: how far it is from the numbers of one part of the members to those of the next.
    """

    step: MemberProduct
    source: Place
    target: Place
    tile: Tile
    spread: int
    width: int
    starts: int
    offsets: int
    numbers: int
    scale: int
    bias: int
    apart: int

    @property
    def room_size(self) -> int:
        """It needs no room for sums."""
        return 0

    @property
    def stored(self) -> str:
        """How its weights are laid out, one of `members.STORED`."""
        return "float32" if self.tile.widened else self.step.weights.stored

    @property
    def outputs(self) -> int:
        """How many it writes at each position."""
        return self.step.weights.values.shape[1]

    @property
    def lanes(self) -> int:
        """Of a vector: as wide as the members fill."""
        return 2 * LANES if self.width % (2 * LANES) == 0 else LANES


def check_tile(tile: Tile, weights: MemberWeights) -> None:
    """Refuse a tile that a layer of members cannot have.

    Raises:
        ArtifactError: its outputs do not go together in whole blocks of one group, or it adds up more at a time than there is.
    """
    most = max(weights.kept[0].size, _UNROLL)
    if tile.unroll > most:
        raise ArtifactError(f"a tile that adds up {tile.unroll} numbers at a time is for a layer of at most {most}")
    outputs = weights.values.shape[1] // weights.groups
    if outputs % tile.vectors:
        raise ArtifactError(f"a tile of {tile.vectors} outputs does not divide the {outputs} of a layer's group")


def rooms(pattern: np.ndarray, tile: Tile) -> np.ndarray:
    """How many numbers of one member each block has, those included that fill up its last turn.

    Args:
        pattern: `[blocks, weights of an output]`, which a block keeps.
        tile: How the layer is cut.
    """
    counts = pattern.sum(1)
    return counts if tile.dense else -(-counts // tile.unroll) * tile.unroll


def pattern_of(weights: MemberWeights, tile: Tile) -> np.ndarray:
    """`[blocks, weights of an output]`, which of them a block of outputs keeps: all where a tile is dense."""
    blocks = weights.values.shape[1] // tile.vectors
    found = np.asarray(weights.kept.reshape(blocks, tile.vectors, -1).any(1))
    return np.ones_like(found) if tile.dense else found


def numbers(weights: MemberWeights, tile: Tile) -> int:
    """How many numbers `keep` lays out, at least: offsets, values, scales and biases.

    Raises:
        ArtifactError: the tile does not fit the layer.
    """
    check_tile(tile, weights)
    width, outputs = padded(weights.members), weights.values.shape[1]
    each = 4 if tile.widened else weights.each
    kept = int(rooms(pattern_of(weights, tile), tile).sum())
    return kept * (1 + tile.vectors * width * each // 4) + outputs * (2 * width + 1) + 5 * LANES


def keep(weights: MemberWeights, source: Place, tile: Tile, spread: int, together: int) -> KeptWeights:
    """Order the weights of a layer for a tile.

    Args:
        weights: Of the layer.
        source: Where its input lies.
        tile: How it is cut.
        spread: As `MemberLayer.spread`.
        together: As `MemberLayer.width`.

    Raises:
        ArtifactError: the tile does not fit the layer.
    """
    check_tile(tile, weights)
    members, outputs = weights.values.shape[:2]
    blocks, width = outputs // tile.vectors, padded(members)
    laid = _as_laid(weights, tile)
    values = laid.reshape(members, blocks, tile.vectors, -1)
    pattern = pattern_of(weights, tile)
    block, weight = np.nonzero(pattern)
    counts, taken = pattern.sum(1), rooms(pattern, tile)
    starts = np.concatenate([[0], np.cumsum(taken)])
    rank = np.arange(len(block)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = starts[block] + rank
    values_kept = np.zeros((starts[-1], tile.vectors, width), laid.dtype)
    values_kept[place, :, :members] = values[:, block, :, weight].transpose(0, 2, 1)
    offsets = np.zeros(0, np.int64)
    if not tile.dense:
        found = _taps(weights, source, spread)[weight] + _group(weights, blocks, spread)[block]
        last = np.zeros(blocks, np.int64)
        last[counts > 0] = found[np.cumsum(counts)[counts > 0] - 1]
        offsets = np.repeat(last, taken)
        offsets[place] = found
    sides = [_in_parts(_wide(each.T, width), together) for each in (weights.scale, weights.bias)]
    return KeptWeights(starts // tile.unroll, offsets, _in_parts(values_kept, together), *sides)


def _as_laid(weights: MemberWeights, tile: Tile) -> np.ndarray:
    """The values as they lie in memory."""
    if tile.widened:
        return weights.values.astype(np.float32)
    return upper_halves(weights.values) if weights.halved else weights.values


def _taps(weights: MemberWeights, source: Place, spread: int) -> np.ndarray:
    """How far behind a position each number of its window lies, `[KH · KW · I]`, in the first group."""
    rows, columns, channels = np.indices(weights.values.shape[2:])
    return (rows * source.row + columns * source.stride + channels * spread).ravel()


def _group(weights: MemberWeights, blocks: int, spread: int) -> np.ndarray:
    """How far behind those of the first group the numbers lie that a block reads."""
    group = np.arange(blocks) // (blocks // weights.groups)
    return group * weights.values.shape[-1] * spread


def _in_parts(numbers: np.ndarray, together: int) -> np.ndarray:
    """`[..., padded members]` as `[parts, ..., members of a part]`."""
    return np.stack(np.split(numbers, numbers.shape[-1] // together, -1))


def _wide(numbers: np.ndarray, width: int) -> np.ndarray:
    """`[O, S]` filled up to `[O, width]` with zeros."""
    return np.pad(numbers, ((0, 0), (0, width - numbers.shape[1]))).astype(np.float32)
