"""What positions of a feature map have in common, carried along as `moments.positions` does it, whose formulas these are.

Beside mean and variance of every element a value has S, the variance of each channel's average over positions, where an average
of random positions comes later. With ⟨·⟩ an average over the n positions, the share of the common factor is

    τ² = (S − ⟨var⟩ / n) / (⟨std⟩² − ⟨var⟩ / n), in [0, 1]
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.arithmetic import rectified
from bitsback.lower.build.native.code import LANES, Code, Registers, low_half, scalar, spread, vector
from bitsback.lower.build.native.pointwise import offset, write
from bitsback.lower.build.native.product import Block, blocks, weighed
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.packing import Arrangement, Layer
from bitsback.lower.run.native.plan import Largest, Product, Step, Sum

_TINY = 1e-30
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
            sums = code.registers(len(starts))
            for index in range(len(starts)):
                sums[index] = spread(0.0)

            def position(down: Any, right: Any, row: int = row, starts: range = starts, sums: Any = sums) -> None:
                at = inset + (down * stride[0] + row) * source.row + right * (stride[1] * source.stride)
                for index, start in enumerate(starts):
                    sums[index] = sums[index] + vector(scratch, source.mean + at + start)

            _everywhere(code, target, position)
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
        code.store(scratch, _common(layer.target) + at, sums[column] * spread(layer.step.factor))


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
    passed = code.registers(block.vectors)
    for column in range(block.vectors):
        passed[column] = spread(0.0)
    for tap, share in enumerate(_shares(layer)):
        k = tap * layer.source.stride
        row, rest = divmod(k, layer.packed.run)
        squared = code.let(spread(scalar(block.scratch, layer.room + row * layer.tap_row + rest + number)))
        for column, (mean, var) in enumerate(_moments(block, k + number)):
            passed[column] = passed[column] + mean * spread(share)
            if var is not None:
                sums[column] = sums[column] + var * squared
    return passed


def _moments(block: Block, k: Any) -> list[tuple[Any, Any]]:
    """Mean and variance, if each has one of its own, of the weights from input k to the outputs of a block."""
    layer, code = block.layer, block.code
    start = block.at + k * (layer.stored * block.vectors * LANES)
    columns = range(block.vectors)
    means = [code.let(vector(block.weights, start + column * LANES)) for column in columns]
    if layer.full:
        return [(means[each], vector(block.weights, start + (block.vectors + each) * LANES)) for each in columns]
    return [(mean, code.let(low_half(mean)) if layer.halves else None) for mean in means]


def rectify(code: Code, scratch: Any, source: Place, target: Place) -> None:
    """ReLU with S after it: what the common factor passes on to first and second order, and the independent rest."""
    count = source.map.height * source.map.width

    def channels(each: Any, index: Any) -> None:
        at = index * LANES
        names = ("std", "var", "first", "first²", "second", "second²", "after")
        sums = code.registers(len(names))
        for which in range(len(names)):
            sums[which] = spread(0.0)

        def position(row: Any, column: Any) -> None:
            read = offset(source, each, row, column) + at
            mean, var = (code.let(vector(scratch, start + read)) for start in (source.mean, _var(source)))
            found = rectified(code, mean, var)
            write(code, scratch, target, offset(target, each, row, column) + at, (found.mean, found.var))
            first = code.let(found.lower * found.std)
            parts = (found.std, var, first, first * first, found.peak, found.peak * found.peak, found.var)
            for which, part in enumerate(parts):
                sums[which] = sums[which] + part

        _everywhere(code, source, position)
        std, var, first, first2, second, second2, after = (
            code.let(sums[which] * spread(1 / count)) for which in range(len(names))
        )
        before = vector(scratch, _common(source) + each * source.stride + at)
        share = _share(code, before, std, var, count)
        half = code.let(share * share * spread(0.5))
        rest = code.let(tirx.max(after - share * first2 - half * second2, spread(0.0)))
        whole = share * first * first + half * second * second + rest * spread(1 / count)
        code.store(scratch, _common(target) + each * target.stride + at, whole)

    _channels(code, source, channels)


def kept(code: Code, scratch: Any, source: Place, target: Place) -> None:
    """S where positions correlate as before: after a pool."""
    views = _View(source), _View(target)

    def channels(each: Any, index: Any) -> None:
        found = _kept(code, scratch, views, (each, index * LANES))
        code.store(scratch, _common(target) + each * target.stride + index * LANES, found)

    _channels(code, target, channels)


def added(code: Code, scratch: Any, places: tuple[Place, Place, Place], step: Sum) -> None:
    """S of a sum of independent values, one of them perhaps looked at through a view."""
    first, other, target = places
    thinned = _View(other, step.second.step, (target.map.height, target.map.width))
    reach = range(step.second.channel // LANES, (step.second.channel + other.stride) // LANES)

    def one(each: Any) -> None:
        for index in range(target.stride // LANES):
            at = index * LANES
            parts = []
            if first.common is not None:
                parts.append(vector(scratch, first.common + each * first.stride + at))
            if other.common is not None and index in reach:
                inside = at - step.second.channel
                if step.second.step == (1, 1):
                    parts.append(vector(scratch, other.common + each * other.stride + inside))
                else:
                    parts.append(_kept(code, scratch, (_View(other), thinned), (each, inside)))
            whole = parts[0] if parts else spread(0.0)
            for part in parts[1:]:
                whole = whole + part
            code.store(scratch, _common(target) + each * target.stride + at, whole * spread(step.factor))

    code.loop(target.batch, one, "each")


@dataclass(frozen=True)
class _View:
    """Every n-th row and column of a value, of which there are so many."""

    of: Place
    step: tuple[int, int] = (1, 1)
    shape: tuple[int, int] | None = None

    @property
    def positions(self) -> tuple[int, int]:
        return self.shape or (self.of.map.height, self.of.map.width)

    def spreads(self, code: Code, scratch: Any, each: Any, at: Any) -> tuple[Any, Any]:
        """⟨std⟩ and ⟨var⟩ of the channels at `at`."""
        sums = code.registers(2)
        for which in range(2):
            sums[which] = spread(0.0)

        def position(row: Any, column: Any) -> None:
            where = offset(self.of, each, row * self.step[0], column * self.step[1]) + at
            var = code.let(vector(scratch, _var(self.of) + where))
            sums[0] = sums[0] + tirx.sqrt(var)
            sums[1] = sums[1] + var

        rows, columns = self.positions
        code.loop(rows, lambda row: code.loop(columns, lambda column: position(row, column), "column"), "row")
        std, var = (code.let(sums[which] * spread(1 / (rows * columns))) for which in range(2))
        return std, var


def _kept(code: Code, scratch: Any, views: tuple[_View, _View], where: tuple[Any, Any]) -> Any:
    before, after = views
    each, at = where
    common = vector(scratch, _common(before.of) + each * before.of.stride + at)
    rows, columns = before.positions
    share = _share(code, common, *before.spreads(code, scratch, each, at), rows * columns)
    std, var = after.spreads(code, scratch, each, at)
    rows, columns = after.positions
    return code.let(share * std * std + (spread(1.0) - share) * var * spread(1 / (rows * columns)))


def _share(code: Code, common: Any, std: Any, var: Any, count: int) -> Any:
    apart = code.let(var * spread(1 / count))
    together = code.let(tirx.max(std * std - apart, spread(_TINY)))
    return code.let(tirx.max(tirx.min((common - apart) / together, spread(1.0)), spread(0.0)))


def _channels(code: Code, place: Place, body: Callable[[Any, Any], None]) -> None:
    """Every vector of channels of every input."""
    code.loop(
        place.batch,
        lambda each: code.loop(place.stride // LANES, lambda index: body(each, index), "channels"),
        "each",
    )


def _everywhere(code: Code, place: Place, body: Callable[[Any, Any], None]) -> None:
    """Every position of a map."""
    code.loop(
        place.map.height,
        lambda row: code.loop(place.map.width, lambda column: body(row, column), "column"),
        "row",
    )


def _common(place: Place) -> int:
    assert place.common is not None
    return place.common


def _var(place: Place) -> int:
    assert place.var is not None
    return place.var
