"""Linear and convolution layers of the members of an ensemble, over the weights that some member has.

The members of a kept weight lie side by side, and so do those of what it is multiplied by: a sum runs over vectors of members,
and nothing is gathered. Of weights that are left out there is nothing but the offsets of those that are kept:

    y[o, s] = scale[o, s] · Σ_k w[k, s] x[offset[k], s] + bias[o, s]
"""

from dataclasses import dataclass
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.code import Code, Registers, scalar, small, spread, upper, vector, whole
from bitsback.lower.build.native.walk import every_tile
from bitsback.lower.run.native.member_packing import MemberLayer


def member_product(code: Code, layer: MemberLayer, buffers: tuple[Any, Any], part: Any = 0) -> None:
    """The whole layer, of one part of the members."""
    blocks = layer.outputs // layer.tile.vectors

    def body(block: Any, read: list[Any], written: list[Any]) -> None:
        _tile(_Block(code, layer, *buffers, part, block), read, written)

    if layer.tile.across:
        every_tile(
            code,
            layer,
            lambda read, written: code.loop(blocks, lambda block: body(block, read, written), "block"),
        )
    else:
        code.loop(
            blocks,
            lambda block: every_tile(code, layer, lambda read, written: body(block, read, written)),
            "block",
        )


@dataclass(frozen=True)
class _Block:
    """Some outputs of a layer."""

    code: Code
    layer: MemberLayer
    weights: Any
    scratch: Any
    part: Any
    index: Any

    @property
    def vectors(self) -> int:
        """How many one output's members fill."""
        return self.layer.width // self.layer.lanes

    def number(self, kept: Any, output: int, each: int) -> Any:
        """A kept weight of one of the outputs, in one of its vectors of members."""
        layer, lanes = self.layer, self.layer.lanes
        first, own = (kept * layer.tile.vectors + output) * layer.width, layer.numbers + self.part * layer.apart
        if layer.stored == "int8":
            at = own + tirx.truncdiv(first, 4)
            return self.code.let(small(self.weights, at + each * lanes // 4, lanes))
        if layer.stored == "bfloat16":
            at = own + tirx.truncdiv(first, 2)
            return self.code.let(upper(self.weights, at + each * lanes // 2, lanes))
        return self.code.let(vector(self.weights, own + first + each * lanes, lanes))

    def inputs(self, at: Any) -> list[Any]:
        """What is at a place of the input: of each member, or what all have in common."""
        lanes, at = self.layer.lanes, self.layer.source.mean + at
        if self.layer.spread == 1:
            return [self.code.let(spread(scalar(self.scratch, at), lanes))] * self.vectors
        return [vector(self.scratch, at + each * lanes, lanes) for each in range(self.vectors)]


def _tile(block: _Block, read: list[Any], written: list[Any]) -> None:
    """Some outputs at some positions."""
    layer, code = block.layer, block.code
    each = len(read) * layer.tile.vectors * block.vectors
    sums = [code.filled(each, 0.0, layer.lanes) for _ in range(layer.tile.sums)]
    (_all if layer.tile.dense else _kept)(block, sums, read)
    for others in sums[1:]:
        for index in range(each):
            sums[0][index] = sums[0][index] + others[index]
    _write(block, sums[0], written)


def _kept(block: _Block, sums: list[Registers], read: list[Any]) -> None:
    """The sums over kept weights: so many at a time, without a test for the end between them."""
    layer, code, unroll = block.layer, block.code, block.layer.tile.unroll
    first = code.let(whole(block.weights, layer.starts + block.index))
    turns = code.let(whole(block.weights, layer.starts + block.index + 1) - first)

    def turn(index: Any) -> None:
        for each in range(unroll):
            kept = (first + index) * unroll + each
            offset = code.let(whole(block.weights, layer.offsets + kept))
            _accumulate(block, sums[each % len(sums)], (kept, offset), read)

    code.loop(turns, turn, "turn")


def _all(block: _Block, sums: list[Registers], read: list[Any]) -> None:
    """The sums over all weights, row by row of the window."""
    layer, code, unroll = block.layer, block.code, block.layer.tile.unroll
    _, _, rows, columns, channels = layer.step.weights.values.shape
    group = tirx.truncdiv(block.index * layer.tile.vectors, layer.outputs // layer.step.weights.groups)
    start = block.index * (rows * columns * channels)

    def tap(row: Any, column: Any) -> None:
        at = row * layer.source.row + column * layer.source.stride + group * (channels * layer.spread)
        before = start + (row * columns + column) * channels

        def numbers(first: Any, count: int) -> None:
            for each in range(count):
                kept, offset = before + first + each, at + (first + each) * layer.spread
                _accumulate(block, sums[each % len(sums)], (kept, offset), read)

        code.loop(channels // unroll, lambda turn: numbers(turn * unroll, unroll), "turn")
        numbers(channels // unroll * unroll, channels % unroll)

    code.loop(rows, lambda row: code.loop(columns, lambda column: tap(row, column), "column"), "row")


def _accumulate(block: _Block, sums: Registers, at: tuple[Any, Any], read: list[Any]) -> None:
    """What one kept weight adds, at an offset of the input."""
    kept, offset = at
    outputs, vectors = block.layer.tile.vectors, block.vectors
    inputs = [block.inputs(where + offset) for where in read]
    for output in range(outputs):
        for each in range(vectors):
            number = block.number(kept, output, each)
            for position in range(len(read)):
                index = (position * outputs + output) * vectors + each
                sums[index] = sums[index] + inputs[position][each] * number


def _write(block: _Block, sums: Registers, written: list[Any]) -> None:
    layer, code, lanes = block.layer, block.code, block.layer.lanes
    outputs = layer.tile.vectors
    for output in range(outputs):
        first = (block.index * outputs + output) * layer.width
        for each in range(block.vectors):
            at = first + each * lanes
            side = block.part * (layer.outputs * layer.width) + at
            scale, bias = (code.let(vector(block.weights, of + side, lanes)) for of in (layer.scale, layer.bias))
            for position, where in enumerate(written):
                value = sums[(position * outputs + output) * block.vectors + each] * scale + bias
                if layer.step.rectified:
                    value = tirx.max(value, spread(0.0, lanes))
                code.store(block.scratch, layer.target.mean + where + at, value)
