"""Ensembles of points: each trained from a start of its own, or the ends of the cycles of one training."""

from dataclasses import dataclass

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.course import Course
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.sampled import SampledObjective, gathered
from bitsback.posterior.samples import Samples
from bitsback.settings import check_whole


@dataclass(frozen=True)
class DeepEnsemble:
    """Points, each trained from a start of its own (Lakshminarayanan et al. 2017).

    Attributes:
        members: how many, at least 2.
    """

    members: int = 5

    def __post_init__(self) -> None:
        check_whole("members", self.members, 2)

    @property
    def chains(self) -> int:
        """One for each member."""
        return self.members

    def starting_at(self, posterior: Posterior) -> "DeepEnsemble":
        """Itself: points have no spread."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "SampledObjective":
        """A member's mean negative log likelihood."""
        return SampledObjective((network, likelihood, masks), Course(burn_in=0.0))

    def gathered(self, network: Network, kept: Params, masks: Params) -> Samples:
        """The members."""
        return gathered(network, kept, masks, self.members)


@dataclass(frozen=True)
class SnapshotEnsemble:
    """The ends of the cycles of one training with a cyclic learning rate (Huang et al. 2017).

    Attributes:
        members: how many cycles, at least 2.
    """

    members: int = 5

    def __post_init__(self) -> None:
        check_whole("members", self.members, 2)

    @property
    def chains(self) -> int:
        """One."""
        return 1

    @property
    def course(self) -> Course:
        """A cycle for each member, of which only the end is kept."""
        return Course(1, 0.0, self.members)

    def starting_at(self, posterior: Posterior) -> "SnapshotEnsemble":
        """Itself: points have no spread."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "SampledObjective":
        """The mean negative log likelihood."""
        return SampledObjective((network, likelihood, masks), self.course)

    def gathered(self, network: Network, kept: Params, masks: Params) -> Samples:
        """The snapshots."""
        return gathered(network, kept, masks, 1)
