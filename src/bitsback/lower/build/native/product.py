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

from tvm import tirx

from bitsback.lower.build.native.code import LANES, Code, Registers, low_half, number, scalar, spread, vector
from bitsback.lower.build.native.pointwise import write
from bitsback.lower.run.native.packing import Layer


def product(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
    """The whole layer."""
    if layer.products:
        _totals(code, layer, weights, scratch)
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


_AT_ONCE = 4
"""Sums of one number that need not wait for one another."""
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
    sums = [_biases(block, len(read))]
    count = len(read) * block.vectors * (2 if layer.summed else 1)
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
    _write(block, sums[0], written)


def _nothing(code: Code, count: int) -> Registers:
    """Sums that begin with zero."""
    registers = code.registers(count)
    for index in range(count):
        registers[index] = spread(0.0)
    return registers


def _biases(block: Block, positions: int) -> Registers:
    """The sums of a tile, begun with the biases: for each position and vector the mean, and the variance if there is one."""
    moments = 2 if block.layer.summed else 1
    width = block.layer.packed.bias.shape[1]
    registers = block.code.registers(positions * block.vectors * moments)
    for index in range(positions * block.vectors * moments):
        column, moment = index // moments % block.vectors, index % moments
        registers[index] = vector(block.weights, block.layer.bias + moment * width + block.first + column * LANES)
    return registers


def _write(block: Block, registers: Registers, written: list[Any]) -> None:
    code, layer, target = block.code, block.layer, block.layer.target
    for each, at in enumerate(written):
        slot = layer.room + tirx.truncdiv(at, target.stride) * len(layer.products)
        totals = [code.let(spread(scalar(block.scratch, slot + which))) for which in range(len(layer.products))]
        for column in range(block.vectors):
            index = each * block.vectors + column
            moments = (registers[index], None)
            if target.var is not None:
                mean, var = (
                    (registers[2 * index], registers[2 * index + 1]) if layer.summed else (registers[index], None)
                )
                moments = (mean, _finished(block, var, totals, column))
            write(code, block.scratch, target, at + block.first + column * LANES, moments)


def _finished(block: Block, var: Any, totals: list[Any], column: int) -> Any:
    """A variance with what is added and multiplied in the end; None is one of which nothing was added up yet."""
    layer, first = block.layer, block.first + column * LANES
    if var is None:
        var = vector(block.weights, layer.bias + layer.packed.bias.shape[1] + first)
    for total, (_, outputs) in zip(totals, layer.products, strict=True):
        var = var + total * vector(block.weights, outputs + first)
    if layer.step.factor != 1:
        var = var * spread(layer.step.factor)
    return block.code.let(var)


def _accumulate(block: Block, registers: Any, read: list[Any], at: tuple[Any, Any]) -> None:
    """What one number of each position's input adds."""
    code, layer, scratch = block.code, block.layer, block.scratch
    kernel_row, k = at
    source, moments = layer.source, 2 if layer.summed else 1
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
    if layer.squares:
        squares = parts[-1] if layer.packed.squared else [code.let(each * each) for each in means]
    return means, variances, squares


def _totals(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
    """Σ x r of every position and every product, into the room: one sum for all outputs."""
    source, target, stride = layer.source, layer.target, layer.step.stride
    inset = source.start - layer.step.padding[0] * source.row - layer.step.padding[1] * source.stride
    moments = [each for each in (source.second, source.var) if each is not None][: len(layer.products)]

    def position(each: Any, row: Any, column: Any) -> None:
        read = each * source.each + row * (source.row * stride[0]) + column * (source.stride * stride[1]) + inset
        slot = (
            each * (target.each // target.stride) + row * (target.row // target.stride) + target.start // target.stride
        )
        sums = [(moment + read, inputs) for moment, (inputs, _) in zip(moments, layer.products, strict=True)]
        for which, total in enumerate(weighed(code, layer, (weights, scratch), sums, source.row)):
            code.put(scratch, layer.room + (slot + column) * len(layer.products) + which, total)

    code.loop(
        target.batch,
        lambda each: code.loop(
            target.map.height,
            lambda row: code.loop(target.map.width, lambda column: position(each, row, column), "column"),
            "row",
        ),
        "each",
    )


def weighed(code: Code, layer: Layer, buffers: tuple[Any, Any], sums: list[tuple[Any, int]], row: int) -> list[Any]:
    """Σ x r over all that an output reads.

    Args:
        code: Where to.
        layer: Whose.
        buffers: Constants and scratch.
        sums: For each where the x of the first kernel row lie in the scratch buffer, and the r in the constants.
        row: How far the x of the next kernel row are.
    """
    weights, scratch = buffers
    run = layer.packed.run
    turns, rest = divmod(run // LANES, _AT_ONCE)
    registers = _nothing(code, _AT_ONCE * len(sums))

    def line(kernel_row: Any) -> None:
        def step(first: Any, count: int) -> None:
            for which, (start, factors) in enumerate(sums):
                for lane in range(count):
                    x = vector(scratch, start + kernel_row * row + (first + lane) * LANES)
                    r = vector(weights, factors + kernel_row * run + (first + lane) * LANES)
                    index = which * _AT_ONCE + lane
                    registers[index] = registers[index] + x * r

        code.loop(turns, lambda turn: step(turn * _AT_ONCE, _AT_ONCE), "k")
        step(turns * _AT_ONCE, rest)

    code.loop(layer.packed.rows, line, "kernel_row")
    return [_together(code, layer, buffers, (registers, which), (each, row)) for which, each in enumerate(sums)]


def _together(
    code: Code, layer: Layer, buffers: tuple[Any, Any], of: tuple[Registers, int], at: tuple[tuple[Any, int], int]
) -> Any:
    """The sum over the lanes of some registers, and of what fills no vector."""
    (registers, which), ((start, factors), row) = of, at
    weights, scratch = buffers
    first, run = which * _AT_ONCE, layer.packed.run
    for lane in range(1, _AT_ONCE):
        registers[first] = registers[first] + registers[first + lane]
    total = registers.total(first)
    for k in range(run // LANES * LANES, run):
        for each in range(layer.packed.rows):
            total = total + scalar(scratch, start + each * row + k) * scalar(weights, factors + each * run + k)
    return code.let(total + number(0.0))
