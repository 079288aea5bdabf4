"""What of a product decides how fast a tile of it is: layers that agree in it share what was measured."""

from dataclasses import dataclass

import numpy as np

from bitsback.lower.run.native.layout import places
from bitsback.lower.run.native.plan import Factored, Halves, Map, Plan, Product, Rank1, Weights


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

    @property
    def out(self) -> Map:
        """What is written, of one input."""
        height, width = (
            (size + 2 * padding - kernel) // stride + 1
            for size, padding, kernel, stride in zip(
                (self.height, self.width), self.padding, self.kernel, self.stride, strict=True
            )
        )
        return Map(height, width, self.outputs)

    @property
    def summed(self) -> bool:
        """Whether variances are summed weight by weight."""
        return self.variances in {"each", "halves"} or (self.varied and self.variances != "factored")

    @property
    def operations(self) -> int:
        """Multiply-adds."""
        each = self.kernel[0] * self.kernel[1] * self.inputs * self.out.size * self.batch
        return each * (1 + (self.variances in {"each", "halves"}) + (self.varied and self.variances != "factored"))


def shape_of(plan: Plan, step: Product, batch: int) -> Shape:
    """The shape of a product in a plan, for a batch."""
    source = places(plan, batch)[0][step.source]
    outputs, rows, columns, _ = step.weights.mean.shape
    return Shape(
        batch, source.map.height, source.map.width, source.stride, outputs, (rows, columns), step.stride, step.padding,
        plan.random[step.source], plan.random[step.target],
        step.weights.variances,
    )  # fmt: skip


def alone(shape: Shape) -> Plan:
    """A plan with this product alone, whose input is value 0; its weights are zeros, for the time depends on none."""
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
