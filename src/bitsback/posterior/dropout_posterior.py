"""A posterior whose draws leave units out: what MC dropout fits."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Gaussian


@dataclass(frozen=True)
class DropoutPosterior:
    """One value of the params, of which each draw leaves units out.

    Attributes:
        values: the weights by name, as they are where nothing is left out: the mean of the draws.
        fixed: norms and buffers by name.
        dropout: which weights, and how; of the others all draws are the same.
    """

    values: Params
    fixed: Params
    dropout: Mapping[str, Dropout]

    @property
    def listing(self) -> None:
        """None: there is no end of draws."""

    def marginals(self) -> dict[str, Gaussian]:
        """The values, with the variance value² rate / (1 − rate) where a dropout leaves them out."""
        return {name: Gaussian(value, self._odds(name) * value.square()) for name, value in self.values.items()}

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """`count` independent draws, each tensor `[count, *shape]`."""
        kept = {
            each.group: (torch.rand(count, each.units, generator=generator) >= each.rate).float() / (1 - each.rate)
            for each in {each.group: each for each in self.dropout.values()}.values()
        }
        return {name: self._thinned(name, value, count, kept) for name, value in self.values.items()}

    def centre(self) -> Params:
        """The values."""
        return {**self.fixed, **self.values}

    def _odds(self, name: str) -> float:
        rate = self.dropout[name].rate if name in self.dropout else 0.0
        return rate / (1 - rate)

    def _thinned(self, name: str, value: Tensor, count: int, kept: Params) -> Tensor:
        if name not in self.dropout:
            return value.expand(count, *value.shape)
        columns = columns_of(kept[self.dropout[name].group], value.shape[1])
        return value * columns.reshape(count, 1, -1, *[1] * (value.ndim - 2))


def columns_of(units: Tensor, inputs: int) -> Tensor:
    """What units have, for each input of the layer after them.

    Args:
        units: `[..., U]`.
        inputs: I, a multiple of U: after a flattened map each unit is as many inputs as it has positions.

    Returns:
        `[..., I]`.
    """
    each = inputs // units.shape[-1]
    return units if each == 1 else units.repeat_interleave(each, -1)
