"""What of a product decides how fast a tile of it is: layers that agree in it share what was measured."""

from dataclasses import dataclass

import numpy as np

from bitsback.lower.run.native.lanes import padded
from bitsback.lower.run.native.layout import Place, places
from bitsback.lower.run.native.members import MemberProduct, MemberWeights
from bitsback.lower.run.native.parts import part
from bitsback.lower.run.native.plan import Factored, Halves, Map, Plan, Product, Rank1, Weighted, Weights


@dataclass(frozen=True)
class Members:
    """What decides it besides, of a layer of members.

    Attributes:
        count: how many there are.
        stored: how the weights are stored, one of `members.STORED`.
        groups: as of a convolution.
        kept: how many weights of one member are kept.
        blocks: whether four outputs next to one another keep the same.
        spread: whether what is read has members too.
        rectified: whether a ReLU follows.
    """

    count: int
    stored: str
    groups: int
    kept: int
    blocks: bool
    spread: bool
    rectified: bool


@dataclass(frozen=True)
class Shape:
    """One product of one function.

    Attributes:
        batch: how many inputs are computed together.
        height: of the map that is read.
        width: of the same.
        inputs: numbers from one position of it to the next.
        outputs: channels that are written.
        kernel: rows and columns.
        stride: the same.
        padding: the same.
        varied: whether what is read has a variance.
        random: whether what is written has one.
        variances: of the weights, one of `plan.VARIANCES`.
        members: of a layer of members, else None.
    """

    batch: int
    height: int
    width: int
    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    varied: bool
    random: bool
    variances: str
    members: Members | None = None

    @property
    def out(self) -> Map:
        """What is written, of one input."""
        height, width = (
            (size + 2 * padding - kernel) // stride + 1
            for size, padding, kernel, stride in zip(
                (self.height, self.width), self.padding, self.kernel, self.stride, strict=True
            )
        )
        return Map(height, width, self.outputs * (1 if self.members is None else padded(self.members.count)))

    @property
    def summed(self) -> bool:
        """Whether variances are summed weight by weight."""
        return self.variances in {"each", "halves"} or (self.varied and self.variances != "factored")

    @property
    def operations(self) -> int:
        """Multiply-adds."""
        if self.members is not None:
            return self.members.kept * self.members.count * self.out.height * self.out.width * self.batch
        each = self.kernel[0] * self.kernel[1] * self.inputs * self.out.size * self.batch
        return each * (1 + (self.variances in {"each", "halves"}) + (self.varied and self.variances != "factored"))


def shapes_of(plan: Plan, batch: int, together: int | None = None) -> dict[int, Shape]:
    """The shapes of a function's products by step; of members those that are computed at a time, so many or as customary."""
    one = part(plan, together)
    return {index: shape_of(one, step, batch) for index, step in enumerate(one.steps) if isinstance(step, Weighted)}


def shape_of(plan: Plan, step: Weighted, batch: int) -> Shape:
    """The shape of a product in a plan, for a batch."""
    source = places(plan, batch)[0][step.source]
    if isinstance(step, MemberProduct):
        return _of_members(plan, step, source)
    outputs, rows, columns, _ = step.weights.mean.shape
    return Shape(
        batch, source.map.height, source.map.width, source.stride, outputs, (rows, columns), step.stride, step.padding,
        plan.random[step.source], plan.random[step.target],
        step.weights.variances,
    )  # fmt: skip


def _of_members(plan: Plan, step: MemberProduct, source: Place) -> Shape:
    weights, spread = step.weights, plan.spread(step.source) > 1
    outputs, rows, columns, _ = weights.kept.shape
    inputs = source.map.channels // plan.spread(step.source)
    together = weights.kept.reshape(outputs, -1)
    blocks = outputs // weights.groups % 4 == 0 and bool((together[::4].repeat(4, 0) == together).all())
    members = Members(
        weights.members, weights.stored, weights.groups, int(weights.kept.sum()), blocks, spread, step.rectified
    )
    return Shape(
        source.batch, source.map.height, source.map.width, inputs, outputs, (rows, columns), step.stride, step.padding,
        False, False, "none", members,
    )  # fmt: skip


def alone(shape: Shape) -> Plan:
    """A plan with this product alone, whose input is value 0; its weights are zeros, for the time depends on none.

    Of a layer of members it is drawn which weights are kept, as many as the shape says.
    """
    if shape.members is not None:
        return _members_alone(shape, shape.members)
    weights = (shape.outputs, *shape.kernel, shape.inputs)
    none, few = np.zeros(shape.outputs, np.float32), np.zeros(1, np.float32)
    rank1 = Rank1(np.zeros(weights[1:], np.float32), none)
    var = {
        "none": None,
        "each": np.zeros(weights, np.float32),
        "halves": Halves(),
        "product": rank1,
        "factored": Factored(rank1, rank1),
    }[shape.variances]
    step = Product(0, 1, Weights(np.zeros(weights, np.float32), none, var, none), shape.stride, shape.padding)
    source = Map(shape.height, shape.width, shape.inputs)
    return Plan(
        "classification", (shape.inputs, shape.height, shape.width), few, few, (step,), (source, shape.out),
        (shape.varied, shape.random), np.zeros((1, shape.outputs), np.float32),
    )  # fmt: skip


def _members_alone(shape: Shape, of: Members) -> Plan:
    outputs, inputs = shape.outputs, shape.inputs // of.groups
    rows = outputs // 4 if of.blocks else outputs
    kept = np.zeros(rows * shape.kernel[0] * shape.kernel[1] * inputs, np.int8)
    count = of.kept // (4 if of.blocks else 1)
    kept[np.random.default_rng(0).permutation(kept.size)[:count]] = 1
    pattern = kept.reshape(rows, *shape.kernel, inputs).repeat(4 if of.blocks else 1, 0)
    values = np.broadcast_to(pattern, (of.count, *pattern.shape)).astype("int8" if of.stored == "int8" else "float32")
    sides = np.zeros((of.count, outputs), np.float32)
    width = padded(of.count)
    source = Map(shape.height, shape.width, shape.inputs * (width if of.spread else 1))
    weights = MemberWeights(values, sides, sides, of.groups, halved=of.stored == "bfloat16")
    step = MemberProduct(0, 1, weights, shape.stride, shape.padding, of.rectified)
    few = np.zeros(1, np.float32)
    return Plan(
        "classification", (source.channels, shape.height, shape.width), few, few, (step,), (source, shape.out),
        (False, False), np.zeros((of.count, outputs), np.float32), members=of.count, stacked=(of.spread, True),
    )  # fmt: skip
