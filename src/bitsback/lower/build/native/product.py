"""Linear and convolution layers over points and over Gaussians.

With an input of mean m, variance v and second moment e = m² + v, and weights of mean w and variance s,

    mean' = Σ m w + b,   var' = Σ (e s + v w²) + var b

where every term of the variance is non-negative, so that nothing cancels (Wang and Manning, "Fast dropout training", ICML 2013,
for sums of products of independent variables). Where s is a product of a factor per input and one per output, Σ e s is one sum
for all outputs. A tile of positions by vectors of outputs is held in registers.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bitsback.lower.build.native.code import LANES, Code, Registers, low_half, number, scalar, spread, vector
from bitsback.lower.build.native.pointwise import write
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
            lambda block, start=start, at=at, vectors=vectors: _parts(
                _Block(
                    code,
                    layer,
                    weights,
                    scratch,
                    vectors,
                    start + block * vectors * LANES,
                    at + block * per * vectors,
                    _Part(0, 0, begins=True, ends=True),
                )
            ),
            "block",
        )
        first, offset = first + count * vectors * LANES, offset + count * per * vectors


class _Part(NamedTuple):
    """So many numbers of each row of the input, from `start` on."""

    start: int
    length: int
    begins: bool
    ends: bool


@dataclass(frozen=True)
class _Block:
    """So many vectors of outputs, from the output `first` on, whose weights begin at `at`; and the part that is added up."""

    code: Code
    layer: Layer
    weights: Any
    scratch: Any
    vectors: int
    first: Any
    at: Any
    part: _Part


def _parts(block: _Block) -> None:
    """A block part by part: the weights of one stay in the first cache while all positions pass over them."""
    run, depth = block.layer.packed.run, block.layer.tile.depth
    if not depth or block.layer.packed.rows > 1:
        depth = run
    for start in range(0, run, depth):
        part = _Part(start, min(depth, run - start), begins=start == 0, ends=start + depth >= run)
        _positions(replace(block, part=part))


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
    code, layer, part = block.code, block.layer, block.part
    registers = _biases(block, len(read)) if part.begins else _kept(block, written)

    def line(kernel_row: Any) -> None:
        code.loop(part.length, lambda k: _accumulate(block, registers, read, (kernel_row, part.start + k)), "k")

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


def _kept(block: _Block, written: list[Any]) -> Registers:
    """The sums of a tile as the parts before left them."""
    target = block.layer.target
    moments = [each for each in (target.mean, target.var) if each is not None]
    registers = block.code.registers(len(written) * block.vectors * len(moments))
    for index in range(len(written) * block.vectors):
        at = written[index // block.vectors] + index % block.vectors * LANES
        for which, moment in enumerate(moments):
            registers[index * len(moments) + which] = vector(block.scratch, moment + at)
    return registers


def _write(block: _Block, registers: Registers, read: list[Any], written: list[Any]) -> None:
    layer, target = block.layer, block.layer.target
    for each, at in enumerate(written):
        tied = _tied(block, read[each]) if block.part.ends and layer.random and layer.packed.rank1 is not None else None
        for column in range(block.vectors):
            index = each * block.vectors + column
            if target.var is None:
                moments = (registers[index], None)
            else:
                moments = (registers[2 * index], _finished(block, registers[2 * index + 1], tied, column))
            write(block.code, block.scratch, target, at + column * LANES, moments)


def _finished(block: _Block, var: Any, tied: Any, column: int) -> Any:
    """A variance with what is added and multiplied once all parts are in it."""
    if tied is not None:
        var = var + tied * vector(block.weights, block.layer.outputs + block.first + column * LANES)
    if block.part.ends and block.layer.step.factor != 1:
        var = var * spread(block.layer.step.factor)
    return block.code.let(var)


def _accumulate(block: _Block, registers: Any, read: list[Any], at: tuple[Any, Any]) -> None:
    """What one number of each position's input adds."""
    code, layer, scratch = block.code, block.layer, block.scratch
    kernel_row, k = at
    source, moments = layer.source, 2 if layer.random else 1
    stored = 2 if layer.full else 1
    where = block.at + (kernel_row * layer.packed.run + k) * (stored * block.vectors * LANES)
    columns = range(block.vectors)
    means = [code.let(vector(block.weights, where + column * LANES)) for column in columns]
    squares = [code.let(each * each) for each in means] if layer.random and source.var is not None else []
    variances = []
    if layer.full:
        variances = [code.let(vector(block.weights, where + (block.vectors + column) * LANES)) for column in columns]
    elif layer.halves:
        variances = [code.let(low_half(each)) for each in means]
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
