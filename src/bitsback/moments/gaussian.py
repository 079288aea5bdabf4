"""A tensor of independent normals, as a value that flows through a graph."""

from typing import Any

from torch import Tensor

from bitsback.posterior.contract import Gaussian

Value = Tensor | Gaussian


def mean_of(value: Value) -> Tensor:
    """The mean; a tensor is its own."""
    return value.mean if isinstance(value, Gaussian) else value


def raw2(value: Value) -> Tensor:
    """The second moment about zero, E[x²]."""
    return value.mean.square() + value.var if isinstance(value, Gaussian) else value.square()


def is_gaussian(value: Any) -> bool:
    """Whether a value has a variance."""
    return isinstance(value, Gaussian)
