"""Every tile of the positions that a layer writes."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from bitsback.lower.build.native.code import Code
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.tiles import Tile


class Slid(Protocol):
    """A step that slides a window over a map."""

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns from one window to the next."""
        ...

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns of zeros around the map."""
        ...


class Walked(Protocol):
    """What is known of a layer: its step, where it reads and writes, and how it is cut."""

    @property
    def step(self) -> Slid:
        """What it computes."""
        ...

    @property
    def source(self) -> Place:
        """Where its input lies."""
        ...

    @property
    def target(self) -> Place:
        """Where its output goes."""
        ...

    @property
    def tile(self) -> Tile:
        """How many positions go together."""
        ...


Body: TypeAlias = Callable[[list[Any], list[Any]], None]
"""Is given where each position of a tile is read, and where its first output is written."""


def every_tile(code: Code, layer: Walked, body: Body) -> None:
    """Every tile of positions: along the rows of the map, or of the batch where there is one position."""
    source, target, stride = layer.source, layer.target, layer.step.stride
    inset = source.start - layer.step.padding[0] * source.row - layer.step.padding[1] * source.stride

    def tiles(count: int, read: tuple[Any, int], written: tuple[Any, int]) -> None:
        """`count` positions, given where the first is read and written and how far the next is."""
        size = min(layer.tile.positions, count)
        whole, rest = divmod(count, size)

        def tile(first: Any, positions: int) -> None:
            body(*([at[0] + (first + each) * at[1] for each in range(positions)] for at in (read, written)))

        code.loop(whole, lambda index: tile(index * size, size), "tile")
        if rest:
            tile(whole * size, rest)

    if target.map.height == target.map.width == 1:
        tiles(target.batch, (inset, source.each), (target.start, target.each))
        return

    def row(each: Any, line: Any) -> None:
        read = each * source.each + line * (source.row * stride[0]) + inset
        written = each * target.each + line * target.row + target.start
        tiles(target.map.width, (read, source.stride * stride[1]), (written, target.stride))

    code.loop(target.batch, lambda each: code.loop(target.map.height, lambda line: row(each, line), "row"), "each")
