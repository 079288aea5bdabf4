"""Stochastic-gradient MCMC, with and without cycles: Langevin dynamics on U = −Σ log p(y | x, w) − log p(w)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.course import Course
from bitsback.posterior.inference import Surroundings
from bitsback.posterior.langevin import Langevin
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.prior import Normal, Prior, check_prior
from bitsback.posterior.sampled import SampledObjective, gathered
from bitsback.posterior.samples import Samples
from bitsback.settings import check_among, check_positive, check_whole, is_number

Dynamics = Literal["sghmc", "sgld"]


@dataclass(frozen=True)
class LangevinMoves:
    """Langevin dynamics along a course; see `langevin` for what the numbers mean.

    Attributes:
        learning_rate: η, as of SGD.
        momentum: μ, as of SGD; 0 for overdamped dynamics.
        course: of each chain.
    """

    learning_rate: float
    momentum: float
    course: Course

    def build(self, variables: list[Tensor], rates: Sequence[float], surroundings: Surroundings, /) -> Langevin:
        """The dynamics; all variables move at one rate."""
        del rates
        return Langevin(
            variables,
            self.learning_rate,
            self.momentum,
            data=surroundings.data,
            temperature=surroundings.temperature,
            generator=surroundings.generator,
        )

    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """As the course says."""
        for group in optimizer.param_groups:
            group["lr"], group["noise"] = self.learning_rate * self.course.rate(done), self.course.noise(done)

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """The kinetic temperature, which is the run's where the dynamics are in equilibrium."""
        assert isinstance(optimizer, Langevin)
        return {"kinetic_temperature": optimizer.temperature()}


@dataclass(frozen=True)
class SgMcmc:
    """Stochastic-gradient MCMC.

    Attributes:
        dynamics: "sghmc": with momentum (Chen et al. 2014); "sgld": without (Welling & Teh 2011).
        samples: how many are kept in all, the same number in each cycle of each chain.
        chains: each from a start of its own, at least 1; more than one can tell whether they mixed.
        cycles: of each chain, at least 1 (Zhang et al. 2020).
        burn_in: the share of each cycle before anything is kept, from 0 to below 1.
        learning_rate: η, in the unit of SGD's; of each cycle's start where there are several.
        momentum: μ of "sghmc", above 0 and below 1.
        prior: of every weight that may be random, a normal one of standard deviation 1 if it is not named.
    """

    dynamics: Dynamics = "sghmc"
    samples: int = 32
    chains: int = 4
    cycles: int = 1
    burn_in: float = 0.5
    learning_rate: float = 0.1
    momentum: float = 0.9
    prior: Prior = field(default_factory=Normal)

    def __post_init__(self) -> None:
        check_among("dynamics", self.dynamics, get_args(Dynamics))
        for name in ("samples", "chains", "cycles"):
            check_whole(name, getattr(self, name), 1)
        if self.samples % (self.chains * self.cycles):
            raise RecipeError(
                f"samples is {self.samples}; it must be a multiple of {self.chains * self.cycles}, so that each cycle of each "
                "chain gives as many"
            )
        check_positive("learning_rate", self.learning_rate)
        if not (is_number(self.momentum) and 0 < self.momentum < 1):
            raise RecipeError(f"momentum is {self.momentum!r}; it must be a number above 0 and below 1")
        check_prior(self.prior)

    @property
    def course(self) -> Course:
        """Of each chain."""
        return Course(self.samples // (self.chains * self.cycles), self.burn_in, self.cycles)

    def starting_at(self, posterior: Posterior) -> "SgMcmc":
        """Itself: a chain starts at a point."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "SampledObjective":
        """U per datum as a function of the params."""
        momentum = self.momentum if self.dynamics == "sghmc" else 0.0
        moves = LangevinMoves(self.learning_rate, momentum, self.course)
        return SampledObjective((network, likelihood, masks), self.course, moves, self.prior)

    def gathered(self, network: Network, kept: Params, masks: Params) -> Samples:
        """The samples of all chains."""
        return gathered(network, kept, masks, self.chains)
