"""Point estimates: maximum likelihood, with weight decay and dropout where asked for."""

from dataclasses import dataclass

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.params_objective import ParamsObjective


@dataclass(frozen=True)
class Point:
    """Fits one value of the params; dropout is the network's own."""

    def starting_at(self, posterior: Posterior) -> "Point":
        """Itself: a point has no spread."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "ParamsObjective":
        """The negative log likelihood of the params."""
        return ParamsObjective(network, likelihood, masks)
