"""An optimizer's moves, and before each of them what follows from where the variables are and no gradient moves."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bitsback.given.params import Params
from bitsback.posterior.inference import Surroundings
from bitsback.posterior.optimization import Optimization


class FollowingMoves(ABC):
    """Moves as the run says, and what follows.

    Attributes:
        objective: whose variables move; its own kind.
        variables: they, by name, once there is an optimizer of them.
    """

    def __init__(self, objective: Any, optimization: Optimization) -> None:
        self.objective, self.optimization = objective, optimization
        self.variables: Params = {}

    @abstractmethod
    def follow(self, done: float) -> None:
        """Sets what follows in closed form, in place, after the share `done` of all steps."""

    def build(
        self, variables: list[Tensor], rates: Sequence[float], surroundings: Surroundings, /
    ) -> torch.optim.Optimizer:
        """The optimizer of all; what no gradient reaches it leaves alone."""
        del surroundings
        self.variables = dict(zip(self.objective.start(), variables, strict=True))
        return self.optimization.build(variables, rates)

    @torch.no_grad()
    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """Gives every variable its learning rate, and lets the others follow."""
        self.optimization.set_rate(optimizer, done)
        self.follow(done)

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """Nothing but what the optimizer says."""
        return self.optimization.seen(optimizer)
