"""Variances in product form, a factor per input and one per output: Σ x r over the inputs is one sum for all outputs."""

from typing import Any

from bitsback.lower.build.native.code import LANES, Code, Registers, number, scalar, vector
from bitsback.lower.run.native.packing import Layer

_AT_ONCE = 4
"""Sums of one number that need not wait for one another."""


def totals(code: Code, layer: Layer, weights: Any, scratch: Any) -> None:
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
    registers = code.filled(_AT_ONCE * len(sums), 0.0)

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
