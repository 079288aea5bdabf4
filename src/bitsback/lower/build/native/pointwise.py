"""Steps without weights: standardizing, ReLU, pools and sums."""

from collections.abc import Callable
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.arithmetic import rectified
from bitsback.lower.build.native.code import LANES, Code, scalar, spread, vector
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.plan import Sum


def standardize(code: Code, buffers: tuple[Any, Any, Any], place: Place, at: tuple[int, int]) -> None:
    """Raw inputs, channels first, to the first value: (x − mean) · scale, the constants at two offsets of the weights."""
    inputs, weights, scratch = buffers
    map_, area = place.map, place.map.height * place.map.width

    def number_of(each: Any, row: Any, column: Any) -> None:
        for channel in range(map_.channels) if area > 1 else (None,):
            code.loop(
                1 if channel is not None else map_.channels,
                lambda index, channel=channel: one(each, row, column, channel if channel is not None else index),
                "feature",
            )

    def one(each: Any, row: Any, column: Any, channel: Any) -> None:
        raw = scalar(inputs, each * map_.size + channel * area + row * map_.width + column)
        value = code.let((raw - scalar(weights, at[0] + channel)) * scalar(weights, at[1] + channel))
        where = place.start + each * place.each + row * place.row + column * place.stride + channel
        code.put(scratch, place.mean + where, value)
        if place.second is not None:
            code.put(scratch, place.second + where, value * value)

    code.loop(
        place.batch,
        lambda each: code.loop(
            map_.height,
            lambda row: code.loop(map_.width, lambda column: number_of(each, row, column), "column"),
            "row",
        ),
        "each",
    )


def rectify(code: Code, scratch: Any, source: Place, target: Place) -> None:
    """ReLU."""

    def one(read: Any, written: Any) -> None:
        mean = code.let(vector(scratch, source.mean + read))
        if source.var is None:
            write(code, scratch, target, written, (code.let(tirx.max(mean, spread(0.0))), None))
        else:
            var = code.let(vector(scratch, source.var + read))
            found = rectified(code, mean, var)
            write(code, scratch, target, written, (found.mean, found.var))

    _everywhere(code, source, target, one)


def add(code: Code, scratch: Any, places: tuple[Place, Place, Place], step: Sum) -> None:
    """The sum of a value and a view of another."""
    first, other, target = places
    view = step.second
    length = other.stride if step.width == 1 else other.map.channels * step.width
    reach = range(view.channel // LANES, (view.channel + length) // LANES)

    def position(each: Any, row: Any, column: Any) -> None:
        here = offset(first, each, row, column)
        there = offset(other, each, row * view.step[0], column * view.step[1])
        written = offset(target, each, row, column)
        for index in range(target.stride // LANES):
            at = index * LANES
            mean = vector(scratch, first.mean + here + at)
            var = None if first.var is None else vector(scratch, first.var + here + at)
            if index in reach:
                inside = at - view.channel
                if step.width == 1:
                    mean = mean + vector(scratch, other.mean + there + inside)
                else:
                    mean = mean + spread(scalar(scratch, other.mean + there + inside // step.width))
                if other.var is not None:
                    more = vector(scratch, other.var + there + inside)
                    var = more if var is None else var + more
            if step.rectified:
                mean = tirx.max(mean, spread(0.0))
            if target.var is not None:
                var = spread(0.0) if var is None else var * spread(step.factor)
            write(code, scratch, target, written + at, (code.let(mean), None if var is None else code.let(var)))

    _positions(code, target, position)


def largest(
    code: Code, scratch: Any, source: Place, target: Place, how: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    """Of each window the element with the largest mean."""
    size, stride = how
    window = [row * source.row + column * source.stride for row in range(size[0]) for column in range(size[1])]

    def position(each: Any, row: Any, column: Any) -> None:
        start = offset(source, each, row * stride[0], column * stride[1])
        written = offset(target, each, row, column)
        code.loop(
            target.stride // LANES, lambda index: channels(start + index * LANES, written + index * LANES), "channels"
        )

    def channels(read: Any, written: Any) -> None:
        mean = code.let(vector(scratch, source.mean + read))
        var = None if source.var is None else code.let(vector(scratch, source.var + read))
        for offset in window[1:]:
            other = code.let(vector(scratch, source.mean + read + offset))
            if var is not None:
                rival: Any = code.let(vector(scratch, source.var + read + offset))
                var = code.let(tirx.Select(mean >= other, var, rival))
            mean = code.let(tirx.max(mean, other))
        write(code, scratch, target, written, (mean, var))

    _positions(code, target, position)


def average(code: Code, scratch: Any, source: Place, target: Place, factor: float) -> None:
    """The average over all positions; its variance is what the positions have in common."""
    count = source.map.height * source.map.width

    def channels(each: Any, index: Any) -> None:
        at = index * LANES
        total = code.filled(1, 0.0)

        def position(row: Any, column: Any) -> None:
            total[0] = total[0] + vector(scratch, source.mean + offset(source, each, row, column) + at)

        code.loop(
            source.map.height,
            lambda row: code.loop(source.map.width, lambda column: position(row, column), "column"),
            "row",
        )
        var = None
        if source.common is not None:
            var = code.let(vector(scratch, source.common + each * source.stride + at) * spread(factor))
        write(code, scratch, target, offset(target, each, 0, 0) + at, (code.let(total[0] * spread(1 / count)), var))

    code.loop(
        source.batch,
        lambda each: code.loop(source.stride // LANES, lambda index: channels(each, index), "channels"),
        "each",
    )


def gather(code: Code, scratch: Any, places: tuple[Place, Place], part: tuple[Any, int]) -> None:
    """What one part of the members has of each of so many outputs, to where all have it side by side."""
    (source, target), (index, outputs) = places, part
    some, every = source.map.channels // outputs, target.map.channels // outputs

    def output(each: Any, number_: Any) -> None:
        for at in range(0, some, LANES):
            read = source.mean + offset(source, each, 0, 0) + number_ * some + at
            written = target.mean + offset(target, each, 0, 0) + number_ * every + index * some + at
            code.store(scratch, written, vector(scratch, read))

    code.loop(
        source.batch,
        lambda each: code.loop(outputs, lambda number_: output(each, number_), "output"),
        "each",
    )


def write(code: Code, scratch: Any, target: Place, at: Any, value: tuple[Any, Any]) -> None:
    """A vector of a value: mean, variance if it has one, and second moment if a later step asks for it."""
    mean, var = value
    code.store(scratch, target.mean + at, mean)
    if target.var is not None:
        code.store(scratch, target.var + at, var)
    if target.second is not None:
        code.store(scratch, target.second + at, mean * mean if var is None else mean * mean + var)


def offset(place: Place, each: Any, row: Any, column: Any) -> Any:
    """Where a position's first number is, from the beginning of its value."""
    return place.start + each * place.each + row * place.row + column * place.stride


def _positions(code: Code, place: Place, body: Callable[[Any, Any, Any], None]) -> None:
    code.loop(
        place.batch,
        lambda each: code.loop(
            place.map.height,
            lambda row: code.loop(place.map.width, lambda column: body(each, row, column), "column"),
            "row",
        ),
        "each",
    )


def _everywhere(code: Code, source: Place, target: Place, body: Callable[[Any, Any], None]) -> None:
    """Every vector of two values of the same shape, whose borders may differ."""
    rows, length = min(source.runs, target.runs, key=lambda runs: runs[1])

    def row(each: Any, line: Any) -> None:
        read, written = offset(source, each, line, 0), offset(target, each, line, 0)
        code.loop(length // LANES, lambda index: body(read + index * LANES, written + index * LANES), "vector")

    code.loop(source.batch, lambda each: code.loop(rows, lambda line: row(each, line), "row"), "each")
