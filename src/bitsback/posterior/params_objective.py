"""The likelihood as a function of the params themselves: what a point minimizes, and what samples move on."""

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.course import Course
from bitsback.posterior.inference import Batch, Moves
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point_posterior import PointPosterior


class ParamsObjective:
    """The mean negative log likelihood as a function of the params."""

    def __init__(self, network: Network, likelihood: Likelihood, masks: Params) -> None:
        self.network, self.likelihood, self.masks = network, likelihood, masks
        self.trained = network.trained
        self.constant = {name: value for name, value in network.params.items() if name not in self.trained}

    @property
    def decays(self) -> bool:
        """True: weight decay is a point's prior."""
        return True

    @property
    def course(self) -> Course | None:
        """None: only the last values count."""
        return None

    def moves(self, optimization: Optimization) -> Moves:
        """As the run says."""
        return optimization

    def start(self) -> Params:
        """The network's own params and the likelihood's variable."""
        values = {f"value/{name}": self.network.params[name].clone() for name in self.trained}
        return {**values, "log_noise": self.likelihood.start()}

    def rate(self, name: str) -> float:
        """One for all."""
        del name
        return 1.0

    def noise_size(self, batch: int) -> int:
        """No noise beside the network's own dropout."""
        del batch
        return 0

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL in nats."""
        outputs = self.network({**self._values(variables), **buffers}, batch.inputs)
        return self.likelihood.nll(outputs, batch.targets, variables["log_noise"])

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """0: a point has no prior here."""
        del variables, generator
        return 0.0

    def posterior(self, variables: Params, buffers: Params) -> Posterior:
        """The values reached."""
        values = {name: value.detach().clone() for name, value in self._values(variables).items()}
        random = {name: values.pop(name) for name in self.network.bayesian}
        fixed = {name: buffer.clone() for name, buffer in self.network.kept(buffers).items()}
        return PointPosterior(random, {**values, **fixed})

    def _values(self, variables: Params) -> Params:
        values = {name: variables[f"value/{name}"] for name in self.trained} | self.constant
        return {**values, **{name: values[name] * mask for name, mask in self.masks.items()}}
