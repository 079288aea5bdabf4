"""What the one training loop asks of an inference method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.course import Course
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization


@dataclass(frozen=True)
class Batch:
    """One minibatch and what its step needs from outside, so that the objective is a pure function.

    Attributes:
        inputs: `[B, *input_shape]`, standardized.
        targets: `[B]` class numbers or `[B, D]` standardized reals.
        noise: `[noise_size(B)]` independent standard normals.
        prior_scale: what multiplies what is said of all data together (a log prior, a KL, in nats) beside a negative log
            likelihood per datum: 1 / N on average.
        temperature: what multiplies the KL besides.
    """

    inputs: Tensor
    targets: Tensor
    noise: Tensor
    prior_scale: Tensor
    temperature: float = 1.0

    @property
    def kl_scale(self) -> Tensor:
        """What multiplies the KL beside a negative log likelihood per datum."""
        return self.temperature * self.prior_scale


@dataclass(frozen=True)
class Surroundings:
    """What a run's steps may have to know of it.

    Attributes:
        data: how many data there are.
        temperature: divides the log posterior, without a unit.
        generator: where noise comes from.
        nll: the negative log likelihood of all data in nats, which adds its gradients to those of the variables.
    """

    data: int
    temperature: float
    generator: torch.Generator
    nll: Callable[[], Tensor]


class Moves(Protocol):
    """How variables move."""

    def build(
        self, variables: list[Tensor], rates: Sequence[float], surroundings: Surroundings, /
    ) -> torch.optim.Optimizer:
        """The optimizer for leaf tensors, of which each has its own factor of the learning rate."""
        ...

    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """Makes it ready for the step after the share `done` of all steps."""
        ...

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """What the optimizer's state says of the run, for the history of an epoch."""
        ...


class Objective(Protocol):
    """The function a method minimizes for one network, likelihood and set of masks."""

    @property
    def decays(self) -> bool:
        """Whether weight decay makes sense: not beside a prior."""
        ...

    @property
    def course(self) -> Course | None:
        """Which of the values that the variables pass are kept; None where only the last ones count."""
        ...

    def moves(self, optimization: Optimization) -> Moves:
        """How its variables move; most move as the run's optimization says."""
        ...

    def start(self) -> Params:
        """The trained variables before the first step."""
        ...

    def rate(self, name: str) -> float:
        """What multiplies the learning rate of a variable."""
        ...

    def noise_size(self, batch: int) -> int:
        """How many standard normals one step consumes."""
        ...

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """A scalar whose *gradient* is that of the objective and whose *value* is the minibatch's mean NLL in nats."""
        ...

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """The KL from the prior in nats (0 for points), estimated with one draw where it has no closed form."""
        ...

    def posterior(self, variables: Params, buffers: Params) -> Posterior:
        """The fitted posterior."""
        ...


@runtime_checkable
class Inference(Protocol):
    """A method that fits a posterior."""

    def starting_at(self, posterior: Posterior) -> "Inference":
        """The same method with its spread starting at a posterior's; means start where the network's params are."""
        ...

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> Objective:
        """The method's objective on a network traced for training; `masks` (0/1 by param name) hold pruned weights at 0."""
        ...


@runtime_checkable
class Sampling(Inference, Protocol):
    """A method whose posterior is the values that are kept on the way of one chain or of several."""

    @property
    def chains(self) -> int:
        """How many chains there are, each with a start of its own."""
        ...

    def gathered(self, network: Network, kept: Params, masks: Params) -> Posterior:
        """The posterior of what was kept.

        Args:
            network: what was trained.
            kept: `[K, *shape]`, chain after chain: "variable/…" and "buffer/…" as the objective and the network name them.
            masks: 0 where a weight is gone, by param name.
        """
        ...
