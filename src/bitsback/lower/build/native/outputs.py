"""From the last value to what every program answers: `mean`, `total`, `data` and `knowledge`, as `form.outputs` has them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tvm import tirx

from bitsback.lower.build.native.arithmetic import deviation, exp, log
from bitsback.lower.build.native.code import LANES, Code, number, scalar, spread, vector
from bitsback.lower.build.native.correlation import root
from bitsback.lower.run.native.lanes import padded
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.packing import Correlation

_LEAST = 1.2e-38  # of a probability whose logarithm is taken: the smallest normal float32


class Answers(NamedTuple):
    """The buffers of the four outputs."""

    mean: Any
    total: Any
    data: Any
    knowledge: Any


@dataclass(frozen=True)
class Points:
    """Where outputs are looked at.

    Attributes:
        table: the offset in the constants of `[C + 1, padded count]` numbers: standard deviations by class, and 1 for a point
            and 0 for what pads a vector.
        count: how many there are.
        room: the offset in the scratch buffer of `2 C` times the padded count numbers: shares and their logarithms.
        correlation: of the outputs, where they are looked at with it.
        width: how many numbers each class has: 1, or one for each member, of which each is a point, filled up to vectors.
    """

    table: int
    count: int
    room: int
    correlation: Correlation | None = None
    width: int = 1

    @property
    def groups(self) -> int:
        """Vectors of points."""
        return -(-self.count // LANES)


@dataclass(frozen=True)
class _Head:
    """One input's logits, and what is needed to look at them."""

    code: Code
    constants: Any
    scratch: Any
    place: Place
    each: Any
    points: Points

    @property
    def classes(self) -> int:
        return self.place.map.channels // self.points.width

    def share(self, index: Any, group: Any) -> Any:
        """Where a class's probabilities at a group of points are kept."""
        return self.points.room + (index * self.points.groups + group) * LANES

    def logarithm(self, index: Any, group: Any) -> Any:
        """Where their logarithms are kept."""
        return self.share(index + self.classes, group)


def classify(code: Code, buffers: tuple[Any, Any, Answers], place: Place, points: Points) -> None:
    """Class probabilities and entropies in nats, at points of the outputs."""
    constants, scratch, answers = buffers

    def one(each: Any) -> None:
        head = _Head(code, constants, scratch, place, each, points)
        data = _shares(head)
        spent = _summed_up(head, answers.mean)
        knowledge = spent if points.count > 1 else number(0.0)  # exactly, not up to the rounding of log(exp(x))
        code.put(answers.data, each, data)
        code.put(answers.knowledge, each, knowledge)
        code.put(answers.total, each, data + knowledge)

    code.loop(place.batch, one, "each")


def _shares(head: _Head) -> Any:
    """Every class's probability at every point, with its logarithm, into the scratch buffer; the mean entropy."""
    code = head.code
    moved = _moved(head)
    entropies = code.filled(1, 0.0)

    def group(index: Any) -> None:
        alive = code.let(
            vector(head.constants, head.points.table + (head.classes * head.points.groups + index) * LANES)
        )
        z = [
            code.let(vector(head.constants, head.points.table + (each * head.points.groups + index) * LANES))
            for each in range(head.classes)
        ]
        values = [code.let(moved(each, z, index)) for each in range(head.classes)]
        top = values[0]
        for value in values[1:]:
            top = code.let(tirx.max(top, value))
        shares = [code.let(exp(code, code.let(value - top))) for value in values]
        whole = shares[0]
        for share in shares[1:]:
            whole = code.let(whole + share)
        inverse, level = code.let(alive / whole), code.let(log(code, whole) + top)
        for each, (value, share) in enumerate(zip(values, shares, strict=True)):
            probability, logarithm = code.let(share * inverse), code.let(value - level)
            code.store(head.scratch, head.share(each, index), probability)
            code.store(head.scratch, head.logarithm(each, index), logarithm)
            entropies[0] = entropies[0] - probability * logarithm

    code.loop(head.points.groups, group, "group")
    return code.let(entropies.total(0) * number(1 / head.points.count))


def _moved(head: _Head) -> Callable[[int, list[Any], Any], Any]:
    """A class's logit, given what every class moves by in standard deviations, and which group of points it is."""
    code, place, width = head.code, head.place, head.points.width
    if width > 1:
        first = place.mean + head.each * place.each
        return lambda index, _, group: vector(head.scratch, first + index * width + group * LANES)

    def mean(index: int) -> Any:
        return spread(scalar(head.scratch, place.mean + head.each * place.each + index))

    if place.var is None:
        return lambda index, _, __: mean(index)
    if head.points.correlation is not None:
        factor = root(code, head.scratch, place, head.points.correlation, head.each)

        def together(index: int, z: list[Any], _: Any) -> Any:
            value = mean(index)
            for column in range(index + 1):
                value = code.let(value + spread(factor.share(column, index)) * z[column])
            return value

        return together
    deviations = code.registers(place.stride // LANES)
    for index in range(place.stride // LANES):
        var = vector(head.scratch, place.var + head.each * place.each + index * LANES)
        deviations[index] = deviation(code, var)
    return lambda index, z, _: mean(index) + spread(deviations.lane(index)) * z[index]


def _summed_up(head: _Head, mean_out: Any) -> Any:
    """The mean of the probabilities, written; and the mean divergence from it."""
    code, groups, count = head.code, head.points.groups, head.points.count
    spent = code.filled(1, 0.0)
    for each in range(head.classes):
        both = code.filled(1, 0.0)

        def gather(group: Any, each: int = each, both: Any = both) -> None:
            both[0] = both[0] + vector(head.scratch, head.share(each, group))

        code.loop(groups, gather, "group")
        mean = code.let(both.total(0) * number(1 / count))
        code.put(mean_out, head.each * head.classes + each, mean)
        level = code.let(log(code, code.let(spread(tirx.max(mean, number(_LEAST))))))

        def compare(group: Any, each: int = each, level: Any = level) -> None:
            share = vector(head.scratch, head.share(each, group))
            spent[0] = spent[0] + share * (vector(head.scratch, head.logarithm(each, group)) - level)

        code.loop(groups, compare, "group")
    return code.let(tirx.max(spent.total(0) * number(1 / count), number(0.0)))


def regress(code: Code, buffers: tuple[Any, Any, Answers], place: Place, of: tuple[tuple[int, int, int], int]) -> None:
    """Means in target units, variances in squared ones; scale, shift and noise are at three offsets of the constants.

    Of several members it is their mean, and their variance around it.
    """
    constants, scratch, answers = buffers
    (scale, shift, noise_at), members = of
    noise = scalar(constants, noise_at)
    width = padded(members) if members > 1 else 1
    targets = place.map.channels // width

    def moments(first: Any) -> tuple[Any, Any]:
        if members == 1:
            return scalar(scratch, place.mean + first), None if place.var is None else scalar(
                scratch, place.var + first
            )
        values = [code.let(scalar(scratch, place.mean + first + member)) for member in range(members)]
        mean = code.let(sum(values[1:], values[0]) * number(1 / members))
        squares = [code.let((value - mean) * (value - mean)) for value in values]
        return mean, sum(squares[1:], squares[0]) * number(1 / members)

    def one(each: Any) -> None:
        knowledge: Any = number(0.0)
        for target in range(targets):
            factor = scalar(constants, scale + target)
            mean, var = moments(each * place.each + target * width)
            code.put(answers.mean, each * targets + target, mean * factor + scalar(constants, shift + target))
            if var is not None:
                knowledge = code.let(knowledge + var * factor * factor)
        code.put(answers.data, each, noise)
        code.put(answers.knowledge, each, knowledge)
        code.put(answers.total, each, knowledge + noise)

    code.loop(place.batch, one, "each")
