"""Params that are kept on their way, as an objective and as a posterior: what all methods share whose posterior is samples.

The params themselves are trained, as of a point. Where there is a prior, it is over every weight that may be random; norms and
a regression's noise have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.course import Course
from bitsback.posterior.inference import Batch, Moves, Surroundings
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.params_objective import ParamsObjective
from bitsback.posterior.prior import Prior
from bitsback.posterior.samples import Samples


@dataclass(frozen=True)
class CyclicMoves:
    """An optimization whose learning rate falls as half a cosine in each cycle.

    Attributes:
        of: the optimization.
        course: of each chain.
    """

    of: Optimization
    course: Course

    def build(
        self, variables: list[Tensor], rates: Sequence[float], surroundings: Surroundings, /
    ) -> torch.optim.Optimizer:
        """The optimizer of the optimization."""
        return self.of.build(variables, rates, surroundings)

    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """As the course says."""
        for group in optimizer.param_groups:
            group["lr"] = self.of.learning_rate * self.course.rate(done) * group["rate"]

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """Nothing."""
        del optimizer
        return {}


class SampledObjective(ParamsObjective):
    """The negative log posterior per datum, or likelihood where there is no prior, of params that are kept on their way."""

    def __init__(
        self,
        of: tuple[Network, Likelihood, Params],
        course: Course,
        moves: Moves | None = None,
        prior: Prior | None = None,
    ) -> None:
        super().__init__(*of)
        self._course, self._moves, self.prior = course, moves, prior

    @property
    def decays(self) -> bool:
        """Whether there is no prior."""
        return self.prior is None

    @property
    def course(self) -> Course:
        """Which values are kept."""
        return self._course

    def moves(self, optimization: Optimization) -> Moves:
        """By Langevin dynamics, or as the run says, in cycles where there are several."""
        if self._moves is not None:
            return self._moves
        return CyclicMoves(optimization, self._course) if self._course.cycles > 1 else optimization

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL in nats; the prior is in its gradient alone."""
        loss = super().loss(variables, buffers, batch)
        if self.prior is None:
            return loss
        scaled = batch.prior_scale * self.prior_energy(variables)
        return loss + (scaled - scaled.detach())

    def prior_energy(self, variables: Params) -> Tensor:
        """−log p(w) of all weights that may be random, in nats; 0 where there is no prior."""
        total = torch.zeros(())
        if self.prior is None:
            return total
        for name in self.network.bayesian:
            density = self.prior.log_density(variables[f"value/{name}"].square())
            total = total - (density * self.masks.get(name, 1.0)).sum()
        return total


def gathered(network: Network, kept: Params, masks: Params, chains: int) -> Samples:
    """What was kept, as a posterior.

    Args:
        network: what was trained.
        kept: `[K, *shape]` by "variable/value/NAME" and "buffer/NAME", chain after chain.
        masks: 0 where a weight is gone.
        chains: how many.
    """
    values = {name.removeprefix("variable/value/"): each for name, each in kept.items() if "variable/value/" in name}
    buffers = {name.removeprefix("buffer/"): each for name, each in kept.items() if name.startswith("buffer/")}
    weights = {name: values[name] * masks.get(name, 1.0) for name in network.bayesian}
    others = {name: each for name, each in values.items() if name not in weights}
    moving = {name for name, each in buffers.items() if each.is_floating_point()} - network.held
    others |= {name: each for name, each in buffers.items() if name in moving}
    constant = {name: value for name, value in network.params.items() if name not in values}
    constant |= network.kept({name: each[-1] for name, each in buffers.items() if name not in moving})
    return Samples(weights, others, constant, chains)
