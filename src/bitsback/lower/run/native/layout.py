"""Where everything lies: the values in one scratch buffer, the weights in another, both of float32.

A value is stored channels last, its channels padded to whole vectors (with zeros, which stay zeros through every step), with
a border of zeros as wide as its widest convolution needs. Values that are no longer needed hand their place to later ones of
the same shape and border, so that no border is ever written.
"""

from dataclasses import dataclass, replace

from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.plan import Average, Map, Plan, Product, Weighted, sources

VERSION = 6
"""Of where everything lies, here and in `packing`: a library finds nothing where another version put it."""


@dataclass(frozen=True)
class Place:
    """Where one value lies.

    Attributes:
        map: its shape.
        stride: numbers from one position to the next.
        border: rows and columns of zeros on each side.
        batch: how many inputs are computed together.
        mean: the offset of its means in the scratch buffer.
        var: of its variances, or None.
        second: of its second moments, or None where no step asks for them.
        common: of the variances of its channels' averages over positions, or None where no step asks for them.
    """

    map: Map
    stride: int
    border: tuple[int, int]
    batch: int
    mean: int = 0
    var: int | None = None
    second: int | None = None
    common: int | None = None

    @property
    def row(self) -> int:
        """Numbers from one row to the next."""
        return (self.map.width + 2 * self.border[1]) * self.stride

    @property
    def each(self) -> int:
        """Numbers of one input."""
        return (self.map.height + 2 * self.border[0]) * self.row

    @property
    def start(self) -> int:
        """The first number inside the border."""
        return self.border[0] * self.row + self.border[1] * self.stride

    @property
    def runs(self) -> tuple[int, int]:
        """How many stretches one input has, and how long each is: one where there is no border."""
        length = self.map.width * self.stride
        return (self.map.height, length) if any(self.border) else (1, self.map.height * length)


def places(plan: Plan, batch: int, *, parts: int = 1) -> tuple[tuple[Place, ...], int]:
    """Where the values of a plan lie, and how many numbers that takes.

    Args:
        plan: What is computed, of members those of one part.
        batch: For how many inputs at a time.
        parts: In how many of them members are computed, one after the other; what they have in common stays for all.
    """
    shapes = [_shape(plan, index, batch) for index in range(len(plan.maps))]
    seconds, commons = _seconds(plan), _commons(plan)
    last = {index: at for at, step in enumerate(plan.steps) for index in sources(step)}
    free: dict[tuple[int, int, tuple[int, int], int], list[int]] = {}
    found: dict[int, Place] = {}
    size = 0

    def take(shape: Place) -> int:
        nonlocal size
        waiting = free.get(_kind(shape))
        if waiting:
            return waiting.pop()
        at, size = size, size + -(-shape.batch * shape.each // LANES) * LANES
        return at

    def settle(index: int) -> None:
        nonlocal size
        shape = shapes[index]
        mean = take(shape)
        var = take(shape) if plan.random[index] else None
        common = None
        if index in commons:
            common, size = size, size + batch * shape.stride
        found[index] = replace(
            shape, mean=mean, var=var, second=take(shape) if index in seconds else None, common=common
        )

    settle(0)
    for at, step in enumerate(plan.steps):
        settle(step.target)
        for index in {*sources(step)}:
            if last[index] == at and (parts == 1 or plan.stacked[index]):
                place = found[index]
                held = [each for each in (place.mean, place.var, place.second) if each is not None]
                free.setdefault(_kind(place), []).extend(held)
    return tuple(found[index] for index in range(len(plan.maps))), size


def _kind(place: Place) -> tuple[int, int, tuple[int, int], int]:
    return place.map.height, place.map.width, place.border, place.stride


def _shape(plan: Plan, index: int, batch: int) -> Place:
    map_ = plan.maps[index]
    borders = [step.padding for step in plan.steps if isinstance(step, Weighted) and step.source == index]
    border = (max((each[0] for each in borders), default=0), max((each[1] for each in borders), default=0))
    stride = map_.channels if index == 0 else padded(map_.channels)
    return Place(map_, stride, border, batch)


def _seconds(plan: Plan) -> set[int]:
    """The values whose second moments a step asks for: those that are weighed by random weights."""
    return {step.source for step in plan.steps if isinstance(step, Product) and step.weights.var is not None}


def _commons(plan: Plan) -> set[int]:
    """The random values whose positions are averaged in the end, and those that they come from."""
    found: set[int] = set()
    for step in reversed(plan.steps):
        if isinstance(step, Average) or step.target in found:
            found |= {index for index in sources(step) if plan.random[index]}
    return found
