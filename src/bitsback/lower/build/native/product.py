"""Linear and convolution layers over points and over Gaussians.

With an input of mean m, variance v and second moment e = m² + v, and weights of mean w and variance s,

    mean' = Σ m w + b,   var' = Σ (e s + v w²) + var b

where every term of the variance is non-negative, so that nothing cancels (Wang and Manning, "Fast dropout training", ICML 2013,
for sums of products of independent variables). Where s is a product of a factor per input and one per output, Σ e s is one sum
for all outputs. A tile of positions by vectors of outputs is held in registers.
"""

from collections.abc import Callable
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.block import Block, blocks
from bitsback.lower.build.native.code import LANES, Code, Registers, scalar, spread, vector
from bitsback.lower.build.native.pointwise import write
from bitsback.lower.build.native.tied import totals
from bitsback.lower.build.native.walk import every_tile
from bitsback.lower.run.native.packing import Layer

_MEAN, _VAR = 0, 1


def product(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
    """The whole layer."""
    if layer.products:
        totals(code, layer, weights, scratch)
    if layer.tile.across:
        every_tile(
            code,
            layer,
            lambda read, written: blocks(code, layer, (weights, scratch), lambda each: _tile(each, read, written)),
        )
    else:
        blocks(
            code,
            layer,
            (weights, scratch),
            lambda each: every_tile(code, layer, lambda read, written: _tile(each, read, written)),
        )


def _tile(block: Block, read: list[Any], written: list[Any]) -> None:
    """The moments of some outputs at some positions; each after the other, the same registers hold more of them."""
    moments = (_MEAN, _VAR) if block.layer.summed else (_MEAN,)
    together = [(each,) for each in moments] if block.layer.tile.apart else [moments]
    sums: dict[int, Registers] = {}
    for some in together:
        sums |= _summed(block, read, some)
    _write(block, sums, written)


def _summed(block: Block, read: list[Any], moments: tuple[int, ...]) -> dict[int, Registers]:
    """Some moments, of each position and vector."""
    code, layer = block.code, block.layer
    sums = [{moment: _biases(block, len(read), moment) for moment in moments}]
    count = len(read) * block.vectors
    sums += [{moment: code.filled(count, 0.0) for moment in moments} for _ in range(1, layer.tile.sums)]

    def line(kernel_row: Any) -> None:
        def numbers(start: Any, several: int) -> None:
            for each in range(several):
                _accumulate(block, sums[each % len(sums)], read, (kernel_row, start + each))

        _along(code, layer, numbers)

    code.loop(layer.packed.rows, line, "kernel_row")
    for others in sums[1:]:
        for moment in moments:
            for index in range(count):
                sums[0][moment][index] = sums[0][moment][index] + others[moment][index]
    return sums[0]


def _along(code: Code, layer: Layer, numbers: Callable[[Any, int], None]) -> None:
    """All numbers of a kernel row, so many at a time; what fills up the vectors of the input is zero, and is left out."""
    stride, channels, unroll = layer.source.stride, layer.source.map.channels, layer.tile.unroll
    count, size = (1, layer.packed.run) if stride == channels else (layer.packed.run // stride, channels)
    turns, rest = divmod(size, unroll)

    def tap(index: Any) -> None:
        first = index * stride
        code.loop(turns, lambda turn: numbers(first + turn * unroll, unroll), "k")
        numbers(first + turns * unroll, rest)

    code.loop(count, tap, "tap")


def _biases(block: Block, positions: int, moment: int) -> Registers:
    """The sums of a tile for one moment, begun with the biases'."""
    width = block.layer.packed.bias.shape[1]
    registers = block.code.registers(positions * block.vectors)
    for index in range(positions * block.vectors):
        column = index % block.vectors
        registers[index] = vector(block.weights, block.layer.bias + moment * width + block.first + column * LANES)
    return registers


def _write(block: Block, sums: dict[int, Registers], written: list[Any]) -> None:
    code, layer, target = block.code, block.layer, block.layer.target
    for each, at in enumerate(written):
        slot = layer.room + tirx.truncdiv(at, target.stride) * len(layer.products)
        factors = [code.let(spread(scalar(block.scratch, slot + which))) for which in range(len(layer.products))]
        for column in range(block.vectors):
            index = each * block.vectors + column
            var = None
            if target.var is not None:
                var = _finished(block, sums[_VAR][index] if layer.summed else None, factors, column)
            write(code, block.scratch, target, at + block.first + column * LANES, (sums[_MEAN][index], var))


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


def _accumulate(block: Block, sums: dict[int, Registers], read: list[Any], at: tuple[Any, Any]) -> None:
    """What one number of each position's input adds."""
    code, source, (kernel_row, k) = block.code, block.layer.source, at
    number = kernel_row * block.layer.packed.run + k
    pairs: list[tuple[Any, list[Any], int]] = []
    if _MEAN in sums:
        pairs.append((source.mean, block.means(number), _MEAN))
    if _VAR in sums:
        pairs += [(source.second, block.variances(number), _VAR), (source.var, block.squares(number), _VAR)]
    for each, position in enumerate(read):
        where = position + kernel_row * source.row + k
        for offset, weights, moment in pairs:
            if not weights:
                continue
            value = code.let(spread(scalar(block.scratch, offset + where)))
            for column, weight in enumerate(weights):
                index = each * block.vectors + column
                sums[moment][index] = sums[moment][index] + value * weight
