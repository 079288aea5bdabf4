"""Linear and convolution layers over points and over Gaussians.

With an input of mean m, variance v and second moment e = m² + v, and weights of mean w and variance s,

    mean' = Σ m w + b,   var' = Σ (e s + v w²) + var b

where every term of the variance is non-negative, so that nothing cancels (Wang and Manning, "Fast dropout training", ICML 2013,
for sums of products of independent variables). Where s is a product of a factor per input and one per output, Σ e s is one sum
for all outputs. A tile of positions by vectors of outputs is held in registers.
"""

from dataclasses import dataclass
from typing import Any

from bitsback.lower.build.native.code import LANES, Code, Registers, number, scalar, spread, vector
from bitsback.lower.run.native.packing import Layer


def product(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
    """The whole layer."""
    first = 0
    offset = layer.numbers
    equal = sum(1 for each in layer.packed.blocks if each == layer.packed.blocks[0])
    per = layer.packed.rows * layer.packed.run * (2 if layer.full else 1) * LANES
    groups = [(equal, layer.packed.blocks[0])] + [(1, each) for each in layer.packed.blocks[equal:]]
    for count, vectors in groups:
        start, at = first, offset
        code.loop(
            count,
            lambda block, start=start, at=at, vectors=vectors: _positions(
                _Block(
                    code, layer, weights, scratch, vectors, start + block * vectors * LANES, at + block * per * vectors
                )
            ),
            "block",
        )
        first, offset = first + count * vectors * LANES, offset + count * per * vectors


@dataclass(frozen=True)
class _Block:
    """So many vectors of outputs, from the output `first` on, whose weights begin at `at`."""

    code: Code
    layer: Layer
    weights: Any
    scratch: Any
    vectors: int
    first: Any
    at: Any


def _positions(block: _Block) -> None:
    """Every tile of a block: along the rows of the map, or of the batch where there is one position."""
    layer, code = block.layer, block.code
    source, target, stride = layer.source, layer.target, layer.step.stride
    inset = source.start - layer.step.padding[0] * source.row - layer.step.padding[1] * source.stride
    if target.map.height == target.map.width == 1:
        _tiles(block, target.batch, (inset, source.each), (target.start, target.each))
        return

    def row(each: Any, line: Any) -> None:
        read = each * source.each + line * (source.row * stride[0]) + inset
        written = each * target.each + line * target.row + target.start
        _tiles(block, target.map.width, (read, source.stride * stride[1]), (written, target.stride))

    code.loop(target.batch, lambda each: code.loop(target.map.height, lambda line: row(each, line), "row"), "each")


def _tiles(block: _Block, count: int, read: tuple[Any, int], written: tuple[Any, int]) -> None:
    """Tiles over `count` positions, given where the first is read and written and how far the next is."""
    size = min(block.layer.tile.positions, count)
    whole, rest = divmod(count, size)

    def tile(first: Any, positions: int) -> None:
        _tile(
            block,
            [read[0] + (first + each) * read[1] for each in range(positions)],
            [written[0] + (first + each) * written[1] + block.first for each in range(positions)],
        )

    block.code.loop(whole, lambda index: tile(index * size, size), "tile")
    if rest:
        tile(whole * size, rest)


def _tile(block: _Block, read: list[Any], written: list[Any]) -> None:
    code, layer = block.code, block.layer
    registers = _biases(block, len(read))

    def line(kernel_row: Any) -> None:
        code.loop(layer.packed.run, lambda k: _accumulate(block, registers, read, (kernel_row, k)), "k")

    code.loop(layer.packed.rows, line, "kernel_row")
    _write(block, registers, read, written)


def _biases(block: _Block, positions: int) -> Registers:
    """The sums of a tile, begun with the biases: for each position and vector the mean, and the variance if there is one."""
    moments = 2 if block.layer.random else 1
    width = block.layer.packed.bias.shape[1]
    registers = block.code.registers(positions * block.vectors * moments)
    for index in range(positions * block.vectors * moments):
        column, moment = index // moments % block.vectors, index % moments
        registers[index] = vector(block.weights, block.layer.bias + moment * width + block.first + column * LANES)
    return registers


def _write(block: _Block, registers: Registers, read: list[Any], written: list[Any]) -> None:
    code, layer, target = block.code, block.layer, block.layer.target
    for each, at in enumerate(written):
        tied = _tied(block, read[each]) if layer.random and layer.packed.rank1 is not None else None
        for column in range(block.vectors):
            index, there = each * block.vectors + column, at + column * LANES
            if target.var is None:
                code.store(block.scratch, target.mean + there, registers[index])
                continue
            var = registers[2 * index + 1]
            if tied is not None:
                var = var + tied * vector(block.weights, layer.outputs + block.first + column * LANES)
            if layer.step.factor != 1:
                var = var * spread(layer.step.factor)
            code.store(block.scratch, target.mean + there, registers[2 * index])
            code.store(block.scratch, target.var + there, var)


def _accumulate(block: _Block, registers: Any, read: list[Any], at: tuple[Any, Any]) -> None:
    """What one number of each position's input adds."""
    code, layer, scratch = block.code, block.layer, block.scratch
    kernel_row, k = at
    source, moments = layer.source, 2 if layer.random else 1
    stored = 2 if layer.full else 1
    where = block.at + (kernel_row * layer.packed.run + k) * (stored * block.vectors * LANES)
    apart = [position + kernel_row * source.row + k for position in read]
    means = [code.let(spread(scalar(scratch, source.mean + each))) for each in apart]
    variances = (
        [code.let(spread(scalar(scratch, source.var + each))) for each in apart] if source.var is not None else []
    )
    seconds = []
    if layer.full:
        assert source.second is not None
        seconds = [code.let(spread(scalar(scratch, source.second + each))) for each in apart]
    for column in range(block.vectors):
        weight = code.let(vector(block.weights, where + column * LANES))
        square = code.let(weight * weight) if variances and layer.random else None
        var = code.let(vector(block.weights, where + (block.vectors + column) * LANES)) if layer.full else None
        for each, mean in enumerate(means):
            index = (each * block.vectors + column) * moments
            registers[index] = registers[index] + mean * weight
            if var is not None:
                registers[index + 1] = registers[index + 1] + seconds[each] * var
            if square is not None:
                registers[index + 1] = registers[index + 1] + variances[each] * square


def _tied(block: _Block, read: Any) -> Any:
    """Σ e r of one position, in every lane."""
    code, layer = block.code, block.layer
    run = layer.packed.run
    assert layer.source.second is not None
    start = layer.source.second + read
    sums = code.registers(1)
    sums[0] = spread(0.0)

    def line(kernel_row: Any) -> None:
        base, factors = start + kernel_row * layer.source.row, layer.inputs + kernel_row * run

        def step(k: Any) -> None:
            sums[0] = sums[0] + vector(block.scratch, base + k * LANES) * vector(block.weights, factors + k * LANES)

        code.loop(run // LANES, step, "k")

    code.loop(layer.packed.rows, line, "kernel_row")
    total = sums.total(0)
    for k in range(run // LANES * LANES, run):
        for row in range(layer.packed.rows):
            factor = scalar(block.weights, layer.inputs + row * run + k)
            total = total + scalar(block.scratch, start + row * layer.source.row + k) * factor
    return code.let(spread(total + number(0.0)))
