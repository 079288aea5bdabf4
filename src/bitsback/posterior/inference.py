"""What the one training loop asks of an inference method."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.likelihood import Likelihood


@dataclass(frozen=True)
class Batch:
    """One minibatch and what its step needs from outside, so that the objective is a pure function.

    Attributes:
        inputs: `[B, *input_shape]`, standardized.
        targets: `[B]` class numbers or `[B, D]` standardized reals.
        noise: `[noise_size(B)]` independent standard normals.
        kl_scale: what multiplies the KL (nats over the whole posterior) beside a negative log likelihood per datum.
    """

    inputs: Tensor
    targets: Tensor
    noise: Tensor
    kl_scale: Tensor


class Objective(Protocol):
    """The function a method minimizes for one network, likelihood and set of masks."""

    @property
    def decays(self) -> bool:
        """Whether weight decay makes sense: not beside a prior."""
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
