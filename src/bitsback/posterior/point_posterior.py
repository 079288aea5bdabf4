"""A posterior that is one value of the params."""

from dataclasses import dataclass

import torch

from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Gaussian


@dataclass(frozen=True)
class PointPosterior:
    """All mass on one value of the params.

    Attributes:
        values: the weights' values by name.
        fixed: norms and buffers by name.
    """

    values: Params
    fixed: Params

    @property
    def listing(self) -> None:
        """None: there is no end of draws."""

    @property
    def dropout(self) -> dict[str, Dropout]:
        """None of the weights."""
        return {}

    def marginals(self) -> dict[str, Gaussian]:
        """The values, with variance 0."""
        return {name: Gaussian(value, torch.zeros_like(value)) for name, value in self.values.items()}

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """The values `count` times; no random number is drawn."""
        del generator
        return {name: value.expand(count, *value.shape) for name, value in self.values.items()}

    def centre(self) -> Params:
        """The values."""
        return {**self.fixed, **self.values}
