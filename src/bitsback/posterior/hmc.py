"""Hamiltonian Monte Carlo over all data at once: the reference for small networks and few data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bitsback.errors import NetworkError, RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.course import Course
from bitsback.posterior.hamiltonian import Hamiltonian, Trajectory
from bitsback.posterior.inference import Surroundings
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.prior import Normal, Prior, check_prior
from bitsback.posterior.sampled import SampledObjective, gathered
from bitsback.posterior.samples import Samples
from bitsback.settings import check_positive, check_whole, is_number


@dataclass(frozen=True)
class Hmc:
    """Hamiltonian Monte Carlo. An epoch is a trajectory: all data are in each of its leapfrog steps.

    Attributes:
        samples: how many are kept in all, the same number in each chain.
        chains: each from a start of its own, at least 1.
        burn_in: the share of a chain before anything is kept, from 0 to below 1, in which the steps find their length.
        leapfrog: steps of a trajectory, at least 1.
        step: their length before the first trajectory, above 0.
        acceptance: the share of trajectories to accept, above 0 and below 1.
        prior: of every weight that may be random, a normal one of standard deviation 1 if it is not named.
    """

    samples: int = 100
    chains: int = 4
    burn_in: float = 0.3
    leapfrog: int = 20
    step: float = 1e-2
    acceptance: float = 0.8
    prior: Prior = field(default_factory=Normal)

    def __post_init__(self) -> None:
        for name in ("samples", "chains", "leapfrog"):
            check_whole(name, getattr(self, name), 1)
        if self.samples % self.chains:
            raise RecipeError(
                f"samples is {self.samples}; it must be a multiple of {self.chains}, one share for each chain"
            )
        check_positive("step", self.step)
        if not (is_number(self.acceptance) and 0 < self.acceptance < 1):
            raise RecipeError(f"acceptance is {self.acceptance!r}; it must be a number above 0 and below 1")
        check_prior(self.prior)
        Course(1, self.burn_in)

    def starting_at(self, posterior: Posterior) -> "Hmc":
        """Itself: a chain starts at a point."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "HmcObjective":
        """U as a function of the params.

        Raises:
            NetworkError: the network answers otherwise each time it is asked, or carries statistics along.
        """
        return HmcObjective(self, network, likelihood, masks)

    def gathered(self, network: Network, kept: Params, masks: Params) -> Samples:
        """The samples of all chains."""
        return gathered(network, kept, masks, self.chains)


class HmcObjective(SampledObjective):
    """The negative log posterior of params that are sampled by trajectories over all data."""

    def __init__(self, settings: Hmc, network: Network, likelihood: Likelihood, masks: Params) -> None:
        course = Course(settings.samples // settings.chains, settings.burn_in)
        super().__init__((network, likelihood, masks), course, prior=settings.prior)
        self.settings = settings
        _check_still(network)

    def moves(self, optimization: Optimization) -> "HmcMoves":
        """By trajectories."""
        del optimization
        return HmcMoves(self)


@dataclass(frozen=True)
class HmcMoves:
    """Trajectories, whose steps find their length while a chain burns in.

    Attributes:
        of: the objective.
    """

    of: HmcObjective

    def build(self, variables: list[Tensor], rates: Sequence[float], surroundings: Surroundings, /) -> Hamiltonian:
        """The trajectories of the objective's variables.

        Raises:
            RecipeError: the temperature is 0, at which nothing is sampled.
        """
        del rates
        asked = self.of.settings
        if surroundings.temperature == 0:
            raise RecipeError("temperature is 0; Hamiltonian Monte Carlo needs one above 0")
        named = dict(zip(self.of.start(), variables, strict=True))

        def energy() -> Tensor:
            total, prior = surroundings.nll(), self.of.prior_energy(named)
            prior.backward()
            return total + prior.detach()

        how = Trajectory(asked.leapfrog, asked.step, asked.acceptance, surroundings.temperature)
        return Hamiltonian(variables, how, energy, surroundings.generator)

    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """Whether the length still moves."""
        for group in optimizer.param_groups:
            group["adapts"] = float(done < self.of.settings.burn_in)

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """The share of trajectories that was accepted since the chain burned in."""
        assert isinstance(optimizer, Hamiltonian)
        return {"acceptance": optimizer.accepted}


def _check_still(network: Network) -> None:
    """Refuse a network that is no function of its params and its input alone.

    Raises:
        NetworkError: it drops out at random, or carries running statistics along.
    """
    dropout = any("dropout" in str(node.target) for node in network.graph.graph.nodes if node.op == "call_function")
    if dropout or any(buffer.is_floating_point() for buffer in network.buffers.values()):
        what = "drops out at random" if dropout else "carries running statistics along"
        raise NetworkError(
            f"the network {what}; Hamiltonian Monte Carlo needs the same answer each time; take 'sghmc' for it"
        )
