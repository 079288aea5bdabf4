"""An inference method that trains nothing and remembers what the loop gave it."""

import dataclasses

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.inference import Batch, Moves
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point_posterior import PointPosterior


class Recorder:
    """Its own objective.

    Attributes:
        noise: how many normals it asks for.
        batches: copies of what each step was given.
    """

    def __init__(self, noise: int = 0) -> None:
        self.noise, self.batches = noise, list[Batch]()

    def __repr__(self) -> str:
        return f"Recorder({self.noise})"

    def starting_at(self, posterior: Posterior) -> "Recorder":
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "Recorder":
        return self

    @property
    def decays(self) -> bool:
        return True

    @property
    def course(self) -> None:
        return None

    def moves(self, optimization: Optimization) -> Moves:
        return optimization

    def start(self) -> Params:
        return {"number": torch.ones(1), "log_noise": torch.zeros(0)}

    def rate(self, name: str) -> float:
        return {"number": 3.0, "log_noise": 1.0}[name]

    def noise_size(self, batch: int) -> int:
        return self.noise

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        self.batches.append(dataclasses.replace(batch, noise=batch.noise.clone()))
        return variables["number"].square().sum()

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        return 0.0

    def posterior(self, variables: Params, buffers: Params) -> PointPosterior:
        return PointPosterior({}, {})
