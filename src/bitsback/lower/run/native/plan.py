"""What a native library computes, as plain data: the steps of a network over feature maps, and its weights.

A plan knows neither TVM nor PyTorch. Feature maps are (height, width, channels), channels last; vectors are maps of one
position. Where a value is random, every step is over mean and variance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from bitsback.lower.run.native.halves import low_halves
from bitsback.lower.run.native.lanes import padded
from bitsback.lower.run.native.members import MemberProduct


@dataclass(frozen=True)
class Map:
    """The shape of one value."""

    height: int
    width: int
    channels: int

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Rank1:
    """Variances that are a product of what their input and what their output has.

    Attributes:
        inputs: `[KH, KW, I]`.
        outputs: `[O]`.
    """

    inputs: np.ndarray
    outputs: np.ndarray

    def multiplied(self, factors: np.ndarray) -> "Rank1":
        """With those of each output multiplied."""
        return Rank1(self.inputs, self.outputs * factors)


@dataclass(frozen=True)
class Factored:
    """Variances in product form, and such a product in the place of the squares of the means.

    Attributes:
        var: of the variances.
        squares: of the squares.
    """

    var: Rank1
    squares: Rank1


@dataclass(frozen=True)
class Halves:
    """Variances as bfloat16 in the low halves of the means' bits: both moments in the bytes of one (`halves`)."""


VARIANCES = ("none", "each", "product", "halves", "factored")
"""How the variances of a layer's weights are stored."""


@dataclass(frozen=True)
class Weights:
    """Of a linear or convolution layer.

    Attributes:
        mean: `[O, KH, KW, I]`.
        bias: `[O]`.
        var: `[O, KH, KW, I]`, in a product form, in the low halves of the means, or None for weights that are points.
        bias_var: `[O]`.
    """

    mean: np.ndarray
    bias: np.ndarray
    var: np.ndarray | Rank1 | Halves | Factored | None
    bias_var: np.ndarray

    @property
    def variances(self) -> str:
        """How the variances are stored, one of `VARIANCES`."""
        match self.var:
            case Rank1():
                return "product"
            case Halves():
                return "halves"
            case Factored():
                return "factored"
            case None:
                return "none"
            case _:
                return "each"

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> "Weights":
        """With what a norm after the layer does to each output: scale · y + shift."""
        over = scale.reshape(-1, 1, 1, 1)
        return Weights(
            self.mean * over, self.bias * scale + shift, self._multiplied(scale**2), self.bias_var * scale**2
        )

    @property
    def products(self) -> tuple[Rank1, ...]:
        """What is in product form: variances, and then squares of the means."""
        match self.var:
            case Rank1():
                return (self.var,)
            case Factored():
                return (self.var.var, self.var.squares)
            case _:
                return ()

    def summed(self, *, random: bool) -> bool:
        """Whether variances are summed weight by weight, for an input that is random or not."""
        return isinstance(self.var, np.ndarray | Halves) or (random and not isinstance(self.var, Factored))

    def _multiplied(self, factors: np.ndarray) -> np.ndarray | Rank1 | Factored | None:
        """The variances with those of each output multiplied."""
        match self.var:
            case Rank1():
                return self.var.multiplied(factors)
            case Factored():
                return Factored(self.var.var.multiplied(factors), self.var.squares.multiplied(factors))
            case Halves():
                return low_halves(self.mean) * factors.reshape(-1, 1, 1, 1)
            case None:
                return None
            case each:
                return each * factors.reshape(-1, 1, 1, 1)


@dataclass(frozen=True)
class Product:
    """A linear or convolution layer.

    Attributes:
        factor: what its variances are multiplied by in the end.
    """

    source: int
    target: int
    weights: Weights
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    factor: float = 1.0


@dataclass(frozen=True)
class Rectify:
    """A ReLU."""

    source: int
    target: int


@dataclass(frozen=True)
class Largest:
    """A max pool without padding: of random values, the one with the largest mean."""

    source: int
    target: int
    size: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True)
class Average:
    """The average over all positions of a value; random positions have much in common, which is carried along.

    Attributes:
        factor: what its variances are multiplied by in the end.
    """

    source: int
    target: int
    factor: float = 1.0


@dataclass(frozen=True)
class View:
    """Every `step`-th row and column of a value, its channels from `channel` on of the result."""

    source: int
    step: tuple[int, int] = (1, 1)
    channel: int = 0


@dataclass(frozen=True)
class Sum:
    """The sum of two values; what a view does not reach counts 0.

    Attributes:
        factor: what its variances are multiplied by in the end.
        width: how many numbers of the first each number of the second is added to: where the first has members, and the second
            is what they have in common, all of a channel.
        rectified: whether a ReLU follows at once; of values without a variance.
    """

    first: View
    second: View
    target: int
    factor: float = 1.0
    width: int = 1
    rectified: bool = False


Weighted: TypeAlias = Product | MemberProduct
Step: TypeAlias = Weighted | Rectify | Largest | Average | Sum


@dataclass(frozen=True)
class Plan:
    """A whole program.

    Attributes:
        task: "classification" or "regression".
        input_shape: of one input, as the program takes it: (C, H, W), or (D,).
        input_mean: what is subtracted from each channel or feature.
        input_scale: what each is multiplied by afterwards.
        steps: in order. Value 0 is the standardized input.
        maps: the shape of each value.
        random: whether each value has a variance.
        points: `[K, C]` standard deviations at which random outputs are looked at; `[1, C]` zeros where they are not random,
            and `[S, C]` zeros for S members.
        target_scale: of a regression's means: y · scale + shift.
        target_shift: the same.
        noise_var: of a regression, in squared target units.
        correlated: whether a classification's outputs are looked at with what they have in common through the input of the last
            step, a layer.
        members: how many members the last value has side by side in each channel; 1 where it is of no ensemble.
        stacked: of an ensemble, whether each value has members; the others are what all have in common.
    """

    task: str
    input_shape: tuple[int, ...]
    input_mean: np.ndarray
    input_scale: np.ndarray
    steps: tuple[Step, ...]
    maps: tuple[Map, ...]
    random: tuple[bool, ...]
    points: np.ndarray
    target_scale: np.ndarray = field(default_factory=lambda: np.ones(0, np.float32))
    target_shift: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    noise_var: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    correlated: bool = False
    members: int = 1
    stacked: tuple[bool, ...] = ()

    @property
    def outputs(self) -> int:
        """Classes, or targets."""
        return self.maps[-1].channels // self.width

    @property
    def width(self) -> int:
        """How many numbers a channel of the last value has: members, filled up to whole vectors."""
        return padded(self.members) if self.members > 1 else 1

    def spread(self, value: int) -> int:
        """How far it is from one channel of a value to the next: as many numbers as a channel has."""
        return self.width if self.stacked and self.stacked[value] else 1

    def changed(self, steps: Mapping[int, Step]) -> "Plan":
        """With other steps in the places of some."""
        return replace(self, steps=tuple(steps.get(index, step) for index, step in enumerate(self.steps)))


def sources(step: Step) -> tuple[int, ...]:
    """The values that a step reads."""
    return (step.first.source, step.second.source) if isinstance(step, Sum) else (step.source,)


def cost(plan: Plan) -> tuple[int, int]:
    """What one input asks of a machine at least.

    Returns:
        Multiply-adds of the layers, and bytes of their weights: in float32, or of members as they are stored.
    """
    operations, stored = 0, 0
    for step in plan.steps:
        if isinstance(step, Product):
            target, weight = plan.maps[step.target], step.weights
            each = weight.mean.size * target.height * target.width
            own = isinstance(weight.var, np.ndarray | Halves)
            squares = plan.random[step.source] and not isinstance(weight.var, Factored)
            operations += each * (1 + own + squares)
            stored += 4 * weight.mean.size * (1 + isinstance(weight.var, np.ndarray))
        if isinstance(step, MemberProduct):
            target, kept = plan.maps[step.target], int(step.weights.kept.sum()) * step.weights.members
            operations += kept * target.height * target.width
            stored += kept * step.weights.each
    return operations, stored
