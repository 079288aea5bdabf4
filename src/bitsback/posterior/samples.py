"""A posterior that is a set of samples: what chains went through, or members that were trained one by one."""

from dataclasses import dataclass

import torch

from bitsback.errors import RecipeError
from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Gaussian, Listing


@dataclass(frozen=True)
class Samples:
    """Equally likely values of the params.

    Attributes:
        weights: The random weights by name, `[S, *shape]`, chain after chain.
        others: What differs between samples beside them and is no weight (norms' params, running statistics), `[S, *shape]`.
        constant: What is the same in all, by name.
        chains: How many chains the samples come from, each as many.
    """

    weights: Params
    others: Params
    constant: Params
    chains: int = 1

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.weights.values()), ()))

    @property
    def listing(self) -> Listing:
        """Its samples."""
        return Listing(self.count, self.chains)

    @property
    def fixed(self) -> Params:
        """What is no random weight, as the last sample of the first chain has it."""
        return {**self.constant, **self._at(self._central, self.others)}

    @property
    def dropout(self) -> dict[str, Dropout]:
        """None of the weights."""
        return {}

    def marginals(self) -> dict[str, Gaussian]:
        """Mean and variance of every random weight over the samples."""
        return {name: Gaussian(each.mean(0), each.var(0, correction=0)) for name, each in self.weights.items()}

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """`count` different samples in their order, with all that differs between them; spread evenly if they are fewer.

        Raises:
            RecipeError: There are not so many.
        """
        del generator  # the samples were drawn when they were made
        if not 1 <= count <= self.count:
            raise RecipeError(f"{count} samples are asked for; the posterior holds {self.count}")
        chosen = [(2 * index + 1) * self.count // (2 * count) for index in range(count)]
        return {name: each[chosen] for name, each in {**self.weights, **self.others}.items()}

    def centre(self) -> Params:
        """The last sample of the first chain: a mean of several chains is no network that anything was fitted to."""
        return {**self.fixed, **self._at(self._central, self.weights)}

    @property
    def _central(self) -> int:
        return self.count // self.chains - 1

    @staticmethod
    def _at(index: int, tensors: Params) -> Params:
        return {name: each[index] for name, each in tensors.items()}
