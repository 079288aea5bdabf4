"""Linear and convolution layers over points and over Gaussians.

With an input of mean m, variance v and second moment e = m² + v, and weights of mean w and variance s,

    mean' = Σ m w + b,   var' = Σ (e s + v w²) + var b

where every term of the variance is non-negative, so that nothing cancels (Wang and Manning, "Fast dropout training", ICML 2013,
for sums of products of independent variables). Where s is a product of a factor per input and one per output, Σ e s is one sum
for all outputs. A tile of positions by vectors of outputs is held in registers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bitsback.lower.build.native.code import LANES, Code, Registers, low_half, number, scalar, spread, vector
from bitsback.lower.build.native.pointwise import write
from bitsback.lower.run.native.packing import Layer


def product(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
    """The whole layer."""
    if layer.tile.across:
        _positions(
            code,
            layer,
            lambda read, written: blocks(code, layer, (weights, scratch), lambda each: _tile(each, read, written)),
        )
    else:
        blocks(
            code,
            layer,
            (weights, scratch),
            lambda each: _positions(code, layer, lambda read, written: _tile(each, read, written)),
        )


def blocks(code: Code, layer: Layer, buffers: tuple[Any, Any], body: Callable[["Block"], None]) -> None:
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


_Body: TypeAlias = Callable[[list[Any], list[Any]], None]
"""Is given where each position of a tile is read, and where its first output is written."""


def _positions(code: Code, layer: Layer, body: _Body) -> None:
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


def _tile(block: Block, read: list[Any], written: list[Any]) -> None:
    code, layer = block.code, block.layer
    written = [at + block.first for at in written]
    sums = [_biases(block, len(read))]
    count = len(read) * block.vectors * (2 if layer.random else 1)
    sums += [_nothing(code, count) for _ in range(1, layer.tile.sums)]

    def line(kernel_row: Any) -> None:
        unroll = layer.tile.unroll
        turns, rest = divmod(layer.packed.run, unroll)

        def numbers(first: Any, several: int) -> None:
            for each in range(several):
                _accumulate(block, sums[each % len(sums)], read, (kernel_row, first + each))

        code.loop(turns, lambda turn: numbers(turn * unroll, unroll), "k")
        numbers(turns * unroll, rest)

    code.loop(layer.packed.rows, line, "kernel_row")
    for others in sums[1:]:
        for index in range(count):
            sums[0][index] = sums[0][index] + others[index]
    _write(block, sums[0], read, written)


def _nothing(code: Code, count: int) -> Registers:
    """Sums that begin with zero."""
    registers = code.registers(count)
    for index in range(count):
        registers[index] = spread(0.0)
    return registers


def _biases(block: Block, positions: int) -> Registers:
    """The sums of a tile, begun with the biases: for each position and vector the mean, and the variance if there is one."""
    moments = 2 if block.layer.random else 1
    width = block.layer.packed.bias.shape[1]
    registers = block.code.registers(positions * block.vectors * moments)
    for index in range(positions * block.vectors * moments):
        column, moment = index // moments % block.vectors, index % moments
        registers[index] = vector(block.weights, block.layer.bias + moment * width + block.first + column * LANES)
    return registers


def _write(block: Block, registers: Registers, read: list[Any], written: list[Any]) -> None:
    layer, target = block.layer, block.layer.target
    for each, at in enumerate(written):
        tied = None
        if layer.random and layer.packed.rank1 is not None:
            assert layer.source.second is not None
            start = layer.source.second + read[each]
            tied = weighed(block.code, layer, (block.weights, block.scratch), start, layer.source.row)
        for column in range(block.vectors):
            index = each * block.vectors + column
            if target.var is None:
                moments = (registers[index], None)
            else:
                moments = (registers[2 * index], _finished(block, registers[2 * index + 1], tied, column))
            write(block.code, block.scratch, target, at + column * LANES, moments)


def _finished(block: Block, var: Any, tied: Any, column: int) -> Any:
    """A variance with what is added and multiplied in the end."""
    if tied is not None:
        var = var + tied * vector(block.weights, block.layer.outputs + block.first + column * LANES)
    if block.layer.step.factor != 1:
        var = var * spread(block.layer.step.factor)
    return block.code.let(var)


def _accumulate(block: Block, registers: Any, read: list[Any], at: tuple[Any, Any]) -> None:
    """What one number of each position's input adds."""
    code, layer, scratch = block.code, block.layer, block.scratch
    kernel_row, k = at
    source, moments = layer.source, 2 if layer.random else 1
    means, variances, squares = _weights(block, kernel_row * layer.packed.run + k)
    pairs = [(source.mean, means, 0), (source.second, variances, 1), (source.var, squares, 1)]
    for each, position in enumerate(read):
        apart = position + kernel_row * source.row + k
        for offset, weights, moment in pairs:
            if not weights:
                continue
            value = code.let(spread(scalar(scratch, offset + apart)))
            for column, weight in enumerate(weights):
                index = (each * block.vectors + column) * moments + moment
                registers[index] = registers[index] + value * weight


def _weights(block: Block, k: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Means, variances and squares of the means of the weights from one number of the input, those that are asked for."""
    code, layer = block.code, block.layer
    where = block.at + k * (layer.stored * block.vectors * LANES)
    parts = [
        [
            code.let(vector(block.weights, where + (part * block.vectors + column) * LANES))
            for column in range(block.vectors)
        ]
        for part in range(layer.stored)
    ]
    means, variances, squares = parts[0], [], []
    if layer.full:
        variances = parts[1]
    elif layer.halves:
        variances = [code.let(low_half(each)) for each in means]
    if layer.source.var is not None:
        squares = parts[-1] if layer.packed.squared else [code.let(each * each) for each in means]
    return means, variances, squares


def weighed(code: Code, layer: Layer, buffers: tuple[Any, Any], start: Any, row: int) -> Any:
    """Σ x r, in every lane, r being the inputs' part of tied variances.

    Args:
        code: Where to.
        layer: Whose.
        buffers: Constants and scratch.
        start: Where the x of the first kernel row lie in the scratch buffer.
        row: How far those of the next are.
    """
    weights, scratch = buffers
    run = layer.packed.run
    sums = code.registers(1)
    sums[0] = spread(0.0)

    def line(kernel_row: Any) -> None:
        base, factors = start + kernel_row * row, layer.inputs + kernel_row * run

        def step(k: Any) -> None:
            sums[0] = sums[0] + vector(scratch, base + k * LANES) * vector(weights, factors + k * LANES)

        code.loop(run // LANES, step, "k")

    code.loop(layer.packed.rows, line, "kernel_row")
    total = sums.total(0)
    for k in range(run // LANES * LANES, run):
        for each in range(layer.packed.rows):
            total = total + scalar(scratch, start + each * row + k) * scalar(weights, layer.inputs + each * run + k)
    return code.let(spread(total + number(0.0)))
