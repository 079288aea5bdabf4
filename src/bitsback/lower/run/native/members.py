"""Layers of an ensemble whose members share where weights are not zero.

A value of such an ensemble has the members of each channel side by side, filled up with zeros to whole vectors: a vector is
what some members have of one channel, and every step over vectors is one over members.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.halves import has_no_lower_halves

STORED = {"int8": 1, "bfloat16": 2, "float32": 4}
"""What the weights of members are stored as, and the bytes of each."""
HELD = {"int8": "int8", "bfloat16": "float32", "float32": "float32"}
"""The type of the array that holds them."""


@dataclass(frozen=True, eq=False)
class MemberWeights:
    """Of a linear or convolution layer, for each member.

    Attributes:
        values: `[S, O, KH, KW, I / groups]`, int8 or float32.
        scale: `[S, O]`, what the sum of each output is multiplied by.
        bias: `[S, O]`, what is added then.
        groups: as of a convolution.
        pattern: `kept` of all members, where these are some of more.
        halved: whether float32 values have nothing in their lower halves, and are laid out as bfloat16.

    Raises:
        ArtifactError: one of them has something there.
    """

    values: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    groups: int = 1
    pattern: np.ndarray | None = None
    halved: bool = False

    def __post_init__(self) -> None:
        if self.halved and not has_no_lower_halves(self.values):
            raise ArtifactError("weights are said to be bfloat16, and one is none")

    @property
    def members(self) -> int:
        """How many there are."""
        return len(self.values)

    @property
    def stored(self) -> str:
        """One of `STORED`."""
        return "bfloat16" if self.halved else self.values.dtype.name

    @property
    def each(self) -> int:
        """The bytes of one weight of one member."""
        return STORED[self.stored]

    @cached_property
    def kept(self) -> np.ndarray:
        """`[O, KH, KW, I / groups]` of bool: where a member has a weight that is not zero."""
        return (self.values != 0).any(0) if self.pattern is None else self.pattern

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> "MemberWeights":
        """With what a norm after the layer does to each output of each member `[S, O]`: scale · y + shift."""
        return replace(self, scale=self.scale * scale, bias=self.bias * scale + shift)


@dataclass(frozen=True, eq=False)
class MemberProduct:
    """A linear or convolution layer of members; what it reads has members too, or is what all have in common.

    Attributes:
        rectified: whether a ReLU follows at once.
    """

    source: int
    target: int
    weights: MemberWeights
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    rectified: bool = False
