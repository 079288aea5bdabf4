"""One product compiled alone, to be timed: a whole network takes seconds to compile, and this a fraction of one."""

import math
from typing import Any

from bitsback.lower.build.native.code import LANES, Code, spread
from bitsback.lower.build.native.library import buffer, linked
from bitsback.lower.build.native.member_product import member_product
from bitsback.lower.build.native.outputs import Answers
from bitsback.lower.build.native.product import product
from bitsback.lower.build.tuning.shape import Shape, alone
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.member_packing import MemberLayer
from bitsback.lower.run.native.packing import Layer, arrange
from bitsback.lower.run.native.tiles import Tile

_LEAST = 200_000
"""Multiply-adds of a call: less is lost in what the call itself takes."""


_FEWEST = 1000
"""Multiply-adds that a layer counts for at least: one that keeps nothing still writes its biases."""


def repeats(shape: Shape) -> int:
    """How often a function of `compiled` computes its product."""
    return -(-_LEAST // max(shape.operations, _FEWEST))


def compiled(shape: Shape, tile: Tile, target: str) -> Library:
    """A library of `alone(shape)` whose function writes the input, as a layer before would, and then computes the product.

    Args:
        shape: The product.
        tile: How it is cut.
        target: A key of `targets.TARGETS`.

    Raises:
        ExportError: There is no such target, or no linker for it.
    """
    plan = alone(shape)
    entry = Entry(shape.batch, {0: tile}, plan.width)
    arrangement = arrange(plan, entry.batch, entry.tiles, plan.width)
    code, layer = Code(), (arrangement.layers | arrangement.member_layers)[0]
    inputs = buffer("input", shape.batch * math.prod(plan.input_shape), 4)
    constants = buffer("constants", len(arrangement.constants), 64)
    scratch = buffer("scratch", arrangement.scratch, 64)
    answers = Answers(*(buffer(each, shape.batch * (shape.outputs if each == "mean" else 1), 4) for each in _ANSWERS))
    _fill(code, scratch, layer.source)
    code.loop(repeats(shape), lambda _: _product(code, layer, constants, scratch), "again")
    function = code.function(entry.name, [inputs, constants, scratch, *answers])
    return Library(target, linked({entry.name: function}, target), (entry,))


_ANSWERS = Answers._fields


def _product(code: Code, layer: Layer | MemberLayer, constants: Any, scratch: Any) -> None:
    if isinstance(layer, Layer):
        product(code, layer, constants, scratch)
    else:
        member_product(code, layer, (constants, scratch))


def _fill(code: Code, scratch: Any, place: Place) -> None:
    for start in (place.mean, place.var, place.second):
        if start is not None:
            code.loop(
                place.batch * place.each // LANES,
                lambda index, start=start: code.store(scratch, start + index * LANES, spread(1.0)),
                "fill",
            )
