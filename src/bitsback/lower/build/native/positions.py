"""What positions of a feature map have in common, carried along as `moments.positions` does it, whose formulas these are.

Beside mean and variance of every element a value has S, the variance of each channel's average over positions, where an average
of random positions comes later. With ⟨·⟩ an average over the n positions, the share of the common factor is

    τ² = (S − ⟨var⟩ / n) / (⟨std⟩² − ⟨var⟩ / n), in [0, 1]
"""

import itertools
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.arithmetic import rectified
from bitsback.lower.build.native.block import Block, blocks
from bitsback.lower.build.native.carried import added, channels_of, common_of, everywhere, kept, share_of, var_of
from bitsback.lower.build.native.code import LANES, Code, Registers, scalar, spread, vector
from bitsback.lower.build.native.pointwise import offset, write
from bitsback.lower.build.native.tied import weighed
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.packing import Arrangement, Layer
from bitsback.lower.run.native.plan import Largest, Product, Step, Sum

_AT_ONCE = 6  # sums that need not wait for one another


def carry(code: Code, buffers: tuple[Any, Any], step: Step, of: tuple[Arrangement, int]) -> None:
    """S of what a step has just made, where it is not made with the rest.

    Args:
        code: Where to.
        buffers: Constants and scratch.
        step: What was computed.
        of: Where everything lies, and the step's number.
    """
    arrangement, index = of
    constants, scratch = buffers
    at = arrangement.places
    match step:
        case Product():
            convolved(code, arrangement.layers[index], constants, scratch)
        case Largest():
            kept(code, scratch, at[step.source], at[step.target])
        case Sum():
            added(code, scratch, (at[step.first.source], at[step.second.source], at[step.target]), step)


def convolved(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
    """S after a layer: S' = Σ_c Σ_o (M_co² + f_o² S_c) var w_o + Σ_c S_c (Σ_o f_o E w_o)² + var b.

    M_co is the average of what the tap at o reads of channel c, f_o the share of its positions that are no border.
    """

    def one(each: Any) -> None:
        _taps(code, layer, scratch, each)
        tied = None
        if layer.products:
            (total,) = weighed(code, layer, (weights, scratch), [(layer.room, layer.products[0][0])], layer.tap_row)
            tied = code.let(spread(total))
        blocks(code, layer, (weights, scratch), lambda block: _weigh(block, each, tied))

    code.loop(layer.source.batch, one, "each")


def _taps(code: Code, layer: Layer, scratch: Any, each: Any) -> None:
    """M² + f² S of every number that a position of the output reads, into the scratch buffer."""
    source, target, stride = layer.source, layer.target, layer.step.stride
    count = target.map.height * target.map.width
    inset = source.start - layer.step.padding[0] * source.row - layer.step.padding[1] * source.stride
    inset = inset + each * source.each
    shares = _shares(layer)
    for line, row in enumerate(range(layer.packed.rows)):
        for first in range(0, layer.tap_row, _AT_ONCE * LANES):
            starts = range(first, min(first + _AT_ONCE * LANES, layer.tap_row), LANES)
            sums = code.filled(len(starts), 0.0)

            def position(down: Any, right: Any, row: int = row, starts: range = starts, sums: Any = sums) -> None:
                at = inset + (down * stride[0] + row) * source.row + right * (stride[1] * source.stride)
                for index, start in enumerate(starts):
                    sums[index] = sums[index] + vector(scratch, source.mean + at + start)

            everywhere(code, target, position)
            for index, start in enumerate(starts):
                average = code.let(sums[index] * spread(1 / count))
                value = average * average
                if source.common is not None:
                    share, channel = shares[(line * layer.packed.run + start) // source.stride], start % source.stride
                    value = value + vector(scratch, source.common + each * source.stride + channel) * spread(share**2)
                code.store(scratch, layer.room + line * layer.tap_row + start, value)


def _shares(layer: Layer) -> list[float]:
    """F of every tap: the share of the output's positions at which it reads no border."""
    _, rows, columns, _ = layer.step.weights.mean.shape
    source, target = layer.source.map, layer.target.map
    axes = [
        [sum(0 <= at * step + tap - border < length for at in range(positions)) / positions for tap in range(taps)]
        for taps, positions, step, border, length in zip(
            (rows, columns),
            (target.height, target.width),
            layer.step.stride,
            layer.step.padding,
            (source.height, source.width),
            strict=True,
        )
    ]
    return [down * right for down, right in itertools.product(*axes)]


def _weigh(block: Block, each: Any, tied: Any) -> None:
    """What is under Σ_c, for the outputs of a block."""
    code, layer, scratch = block.code, block.layer, block.scratch
    source, columns = layer.source, range(block.vectors)
    sums = _begun(block, tied)

    def channel(number: Any) -> None:
        passed = _passed(block, sums, number)
        if source.common is not None:
            common = code.let(spread(scalar(scratch, source.common + each * source.stride + number)))
            for column in columns:
                sums[column] = sums[column] + common * passed[column] * passed[column]

    code.loop(source.map.channels, channel, "channel")
    for column in columns:
        at = each * layer.target.stride + block.first + column * LANES
        code.store(scratch, common_of(layer.target) + at, sums[column] * spread(layer.step.factor))


def _begun(block: Block, tied: Any) -> Registers:
    """The variances of the biases, and Σ (M² + f² S) var w where variances are tied."""
    layer = block.layer
    sums = block.code.registers(block.vectors)
    for column in range(block.vectors):
        at = block.first + column * LANES
        sums[column] = vector(block.weights, layer.bias + layer.packed.bias.shape[1] + at)
        if tied is not None:
            sums[column] = sums[column] + tied * vector(block.weights, layer.products[0][1] + at)
    return sums


def _passed(block: Block, sums: Registers, number: Any) -> Registers:
    """Σ_o f_o E w_o of a channel; what its taps add to the sums by weights with a variance of their own is added."""
    code, layer = block.code, block.layer
    passed = code.filled(block.vectors, 0.0)
    for tap, share in enumerate(_shares(layer)):
        k = tap * layer.source.stride
        row, rest = divmod(k, layer.packed.run)
        squared = code.let(spread(scalar(block.scratch, layer.room + row * layer.tap_row + rest + number)))
        for column, mean in enumerate(block.means(k + number)):
            passed[column] = passed[column] + mean * spread(share)
        for column, var in enumerate(block.variances(k + number)):
            sums[column] = sums[column] + var * squared
    return passed


def rectify(code: Code, scratch: Any, source: Place, target: Place) -> None:
    """ReLU with S after it: what the common factor passes on to first and second order, and the independent rest."""
    count = source.map.height * source.map.width

    def channels(each: Any, index: Any) -> None:
        at = index * LANES
        names = ("std", "var", "first", "first²", "second", "second²", "after")
        sums = code.filled(len(names), 0.0)

        def position(row: Any, column: Any) -> None:
            read = offset(source, each, row, column) + at
            mean, var = (code.let(vector(scratch, start + read)) for start in (source.mean, var_of(source)))
            found = rectified(code, mean, var)
            write(code, scratch, target, offset(target, each, row, column) + at, (found.mean, found.var))
            first = code.let(found.lower * found.std)
            parts = (found.std, var, first, first * first, found.peak, found.peak * found.peak, found.var)
            for which, part in enumerate(parts):
                sums[which] = sums[which] + part

        everywhere(code, source, position)
        std, var, first, first2, second, second2, after = (
            code.let(sums[which] * spread(1 / count)) for which in range(len(names))
        )
        before = vector(scratch, common_of(source) + each * source.stride + at)
        share = share_of(code, before, std, var, count)
        half = code.let(share * share * spread(0.5))
        rest = code.let(tirx.max(after - share * first2 - half * second2, spread(0.0)))
        whole = share * first * first + half * second * second + rest * spread(1 / count)
        code.store(scratch, common_of(target) + each * target.stride + at, whole)

    channels_of(code, source, channels)
