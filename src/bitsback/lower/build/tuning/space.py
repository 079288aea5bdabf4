"""The tiles that are worth trying: what fits the registers of a target, and differs from one another for a shape."""

from dataclasses import astuple, replace

from bitsback.lower.build.tuning.shape import Members, Shape, alone
from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.plan import Weighted
from bitsback.lower.run.native.tiles import Tile, default_tile

_REGISTERS = {"x86-64": 8, "x86-64-v3": 16, "x86-64-v4": 32, "aarch64": 16}
"""How many vectors of `LANES` numbers a target holds."""
_BESIDE = 2
"""Registers that no sum is in: a weight, and the number that it is multiplied by."""
_UNROLLS, _SUMS = (1, 2, 4, 8), (1, 2, 4)


def customary(shape: Shape) -> Tile:
    """The tile of a library that is not tuned."""
    plan = alone(shape)
    (step,) = plan.steps
    assert isinstance(step, Weighted)
    return default_tile(plan, step, shape.batch)


def space(shape: Shape, target: str) -> tuple[Tile, ...]:
    """Every tile that is worth trying, in a fixed order, the customary one first.

    Args:
        shape: The product.
        target: A key of `targets.TARGETS`.
    """
    if shape.members is not None:
        return _of_members(shape, shape.members, target)
    out, vectors = shape.out, padded(shape.outputs) // LANES
    count = shape.batch if out.height == out.width == 1 else out.width
    room = _REGISTERS[target] - _BESIDE
    together = room // 2 if shape.summed else room
    found = [
        Tile(positions, wide, unroll, sums, across, apart)
        for positions in range(1, min(count, room) + 1)
        for wide in range(1, min(vectors, room // positions) + 1)
        for unroll in _UNROLLS
        for sums in _SUMS
        if sums <= unroll and positions * wide * sums <= room
        for across in (
            (False, True) if positions < shape.batch * out.height * out.width and wide < vectors else (False,)
        )
        for apart in (positions * wide * sums > together,)  # both moments in registers, while they fit
    ]
    first = customary(shape)
    return (first, *(tile for tile in found if tile != first))


def _of_members(shape: Shape, of: Members, target: str) -> tuple[Tile, ...]:
    """Tiles of a layer of members: those of four outputs only where they keep the same, or everything is read."""
    out, wide = shape.out, padded(of.count) // LANES
    several = out.height * out.width > 1
    count, room = out.width if several else shape.batch, max((_REGISTERS[target] - 2 * _BESIDE) // wide, 1)
    blocks = (1, 4) if shape.outputs // of.groups % 4 == 0 else (1,)
    found = [
        Tile(positions, outputs, unroll, sums, across, dense=dense, widened=widened)
        for widened in ((False, True) if several and of.stored != "float32" else (False,))
        for dense in (False, True)
        for outputs in (blocks if dense or of.blocks else (1,))
        for positions in range(1, min(count, max(room // outputs, 1)) + 1)
        for unroll in _UNROLLS
        for sums in _SUMS
        if sums <= unroll and positions * outputs * sums <= room
        for across in ((False, True) if several else (False,))
    ]
    first = customary(shape)
    return (first, *(tile for tile in found if tile != first))


def neighbours(tile: Tile, tiles: tuple[Tile, ...]) -> tuple[Tile, ...]:
    """The tiles that differ from one in a single thing, and in a number no further than the next one that there is.

    Whether moments are summed apart follows from the sizes, and is no thing of its own.
    """
    found = []
    for name, value in zip(_NAMES, astuple(tile), strict=True):
        same = {name: value, "apart": tile.apart}
        alike = {getattr(each, name): each for each in tiles if replace(each, **same) == tile}
        lower, higher = ([each for each in alike if each < value], [each for each in alike if each > value])
        found += [alike[each] for each in (max(lower, default=None), min(higher, default=None)) if each is not None]
    return tuple(found)


_NAMES = tuple(Tile.__dataclass_fields__)
