"""The weights of a layer as a function reads them: block by block of outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bitsback.lower.build.native.code import LANES, Code, low_half, vector
from bitsback.lower.run.native.packing import Layer


@dataclass(frozen=True)
class Block:
    """So many vectors of outputs, from the output `first` on, whose weights begin at `at`."""

    code: Code
    layer: Layer
    weights: Any
    scratch: Any
    vectors: int
    first: Any
    at: Any

    def means(self, k: Any) -> list[Any]:
        """The means of the weights from input k, a vector each."""
        return self._stored(k, 0)

    def variances(self, k: Any) -> list[Any]:
        """Their variances, where each has one of its own."""
        if self.layer.halves:
            return [self.code.let(low_half(each)) for each in self.means(k)]
        return self._stored(k, 1) if self.layer.full else []

    def squares(self, k: Any) -> list[Any]:
        """The squares of the means, where the input has a variance that they are summed with."""
        if not self.layer.squares:
            return []
        if self.layer.packed.squared:
            return self._stored(k, self.layer.stored - 1)
        return [self.code.let(each * each) for each in self.means(k)]

    def _stored(self, k: Any, part: int) -> list[Any]:
        layer = self.layer
        numbers = layer.packed.rows * layer.packed.run
        row = part * numbers + k if layer.tile.apart else k * layer.stored + part
        at = self.at + row * (self.vectors * LANES)
        return [self.code.let(vector(self.weights, at + column * LANES)) for column in range(self.vectors)]


def blocks(code: Code, layer: Layer, buffers: tuple[Any, Any], body: Callable[[Block], None]) -> None:
    """Every block of outputs."""
    first = 0
    offset = layer.numbers
    equal = sum(1 for each in layer.packed.blocks if each == layer.packed.blocks[0])
    per = layer.packed.rows * layer.packed.run * layer.stored * LANES
    groups = [(equal, layer.packed.blocks[0])] + [(1, each) for each in layer.packed.blocks[equal:]]
    for count, vectors in groups:
        start, at = first, offset
        code.loop(
            count,
            lambda block, start=start, at=at, vectors=vectors: body(
                Block(
                    code,
                    layer,
                    *buffers,
                    vectors,
                    start + block * vectors * LANES,
                    at + block * per * vectors,
                )
            ),
            "block",
        )
        first, offset = first + count * vectors * LANES, offset + count * per * vectors
