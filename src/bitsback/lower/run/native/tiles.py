"""How products are cut."""

from dataclasses import dataclass

from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.plan import Map, Plan, Weighted

_NEAR, _FEW = 10_000, 4
"""Numbers that a cache of the first level holds, some room left; positions that are worth a tile in any case."""


@dataclass(frozen=True)
class Tile:
    """How a product is cut; no tile changes what is computed, but for rounding.

    Attributes:
        positions: rows of the batch, or neighbouring positions of a map, whose sums are held in registers at a time.
        vectors: of outputs, the same; in a layer of members, outputs whose weights are kept or left out together.
        unroll: how many numbers of the input are added up without a test for the end between them.
        sums: how many sums each output is added up in, in turns, so that an addition need not wait for the one before it.
        across: whether all outputs of some positions come before the next positions, and not the reverse.
        apart: whether the means of a tile are summed first and its variances then, so that more of either fit the registers.
        dense: whether a layer of members reads every weight, in order, and looks none up.
        widened: whether smaller weights of members are laid out as float32: more bytes, and none is converted each time that it
            is read, which is for every tile of positions.
    """

    positions: int
    vectors: int
    unroll: int = 1
    sums: int = 1
    across: bool = False
    apart: bool = False
    dense: bool = False
    widened: bool = False


def default_tile(plan: Plan, step: Weighted, batch: int) -> Tile:
    """A tile whose sums, with the weights of one input and what multiplies them, fill sixteen registers and spill none.

    Moments are summed apart where a tile has several positions: every weight that is read is then multiplied twice as often.
    Where there is one position, the weights are what takes time, and their order in memory is the order in which they are read.
    """
    if isinstance(step, MemberProduct):
        return _of_members(plan, step, batch)
    summed = step.weights.summed(random=plan.random[step.source])
    pairs = 0 if not summed else 5 if step.weights.variances == "each" else 4
    return customary(plan.maps[step.target], batch, pairs)


def customary(target: Map, batch: int, pairs: int = 0) -> Tile:
    """The same of a layer that writes such a map.

    Args:
        target: The map.
        batch: How many inputs are computed together.
        pairs: Of how many vectors both moments are summed together at one position, 0 where variances are not summed weight by
            weight: fewer where what multiplies is computed, and takes registers, than where it is read.
    """
    positions = batch if target.height * target.width == 1 else target.width
    apart = pairs > 0 and positions > 1
    room = pairs if pairs and not apart else 12
    wide = _evenly(padded(target.channels) // LANES, room if positions == 1 else 3)
    return Tile(_evenly(positions, room // wide), wide, unroll=4, apart=apart)


def _of_members(plan: Plan, step: MemberProduct, batch: int) -> Tile:
    """The same of a layer of members, whose sums leave registers free for the vectors of a weight.

    Of a map it has no more positions than have their windows in a cache of the first level together, and weights that fit it
    too are widened.
    """
    target, vectors = plan.maps[step.target], plan.width // LANES
    room = max((12 - vectors) // vectors, 1)
    if target.height * target.width == 1:
        positions = _evenly(batch, room)
        return Tile(positions, 1, unroll=4, sums=min(4, max(room // positions, 1)))
    _, rows, columns, _ = step.weights.kept.shape
    column = rows * plan.maps[step.source].channels
    fitting = max(_NEAR // column - (columns - 1), 1) // step.stride[1]
    positions = _evenly(target.width, min(room, max(fitting, _FEW)))
    widened = step.weights.each < 4 and int(step.weights.kept.sum()) * plan.width <= _NEAR
    return Tile(positions, 1, unroll=2, across=True, widened=widened)


def _evenly(count: int, most: int) -> int:
    """How many of `count` go together, at most `most`, so that the last are hardly fewer."""
    return -(-count // -(-count // most))
