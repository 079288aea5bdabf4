"""What can be asked of a posterior, whatever fitted it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from bitsback.given.params import Params


class Gaussian(NamedTuple):
    """The first two moments of a tensor of independent values.

    Attributes:
        mean: the means.
        var: the variances, same shape.
    """

    mean: Tensor
    var: Tensor


class Listing(NamedTuple):
    """How many values a posterior is made of, where it is a list of them.

    Attributes:
        values: how many.
        chains: how many chains they come from, one after the other, each as many.
    """

    values: int
    chains: int


class Dropout(NamedTuple):
    """Units before a layer that each draw leaves out at random: columns of the layer's weight that are zero.

    Attributes:
        group: which dropout it is; the weights of one group lose the same units.
        units: how many there are before the layer; a column belongs to one, the first columns to the first.
        rate: the share that is left out, at least 0 and below 1; what is left is made larger by 1 / (1 − rate).
    """

    group: str
    units: int
    rate: float


class Posterior(Protocol):
    """A distribution over a network's params.

    Random params are described by `marginals` and `sample`; what is the same in every draw (norms, buffers, params kept as
    points) is in `fixed`.
    """

    @property
    def fixed(self) -> Params:
        """Params and buffers that are the same in every draw, by name."""
        ...

    @property
    def listing(self) -> Listing | None:
        """How many values it is made of; None where there is no end of draws."""
        ...

    @property
    def dropout(self) -> Mapping[str, Dropout]:
        """Which weights vary by units that are left out, `[O, I, ...]` by name. Those of no list and not here are normals."""
        ...

    def marginals(self) -> dict[str, Gaussian]:
        """Mean and variance of every random weight, by param name."""
        ...

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """`count` joint draws of the random params: each tensor is `[count, *shape]`.

        Where a posterior is a list of values these are among the draws: what is `fixed` and nevertheless differs between values
        (norms, running statistics), which takes the place of what is fixed.
        """
        ...

    def centre(self) -> Params:
        """One value of every tensor that the network takes, fixed ones included, that stands for all of them.

        The mean, or one of the draws where a mean of draws is no network that anything was fitted to (several chains).
        """
        ...
