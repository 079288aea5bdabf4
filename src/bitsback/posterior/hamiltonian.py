"""Hamiltonian Monte Carlo as an optimizer: a step is a trajectory over all data, accepted or taken back.

Neal, "MCMC using Hamiltonian dynamics", 2011, section 3: momenta are drawn anew, L leapfrog steps of length ε follow, and the
end is accepted with probability min(1, exp(−ΔH)), which makes the samples exact. While a chain burns in, ε moves towards the
acceptance that is asked for by dual averaging (Hoffman & Gelman, "The No-U-Turn Sampler", 2014, section 3.2), and stays then.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_SHRINK, _DELAY, _DECAY = 0.05, 10.0, 0.75  # γ, t0 and κ of the paper
_JITTER = 0.2  # of each trajectory's ε, so that none comes back to its start time after time (Neal, section 3.2)
Energy = Callable[[], Tensor]


@dataclass(frozen=True)
class Trajectory:
    """How a step goes.

    Attributes:
        length: L, leapfrog steps, at least 1.
        step: ε before the first trajectory, above 0.
        acceptance: the share of trajectories to accept, between 0 and 1.
        temperature: T, above 0: exp(−U / T) is sampled.
    """

    length: int
    step: float
    acceptance: float
    temperature: float


class Hamiltonian(torch.optim.Optimizer):
    """Trajectories of some leaf tensors.

    The group has `adapts`, whether ε still moves. What has been learned of ε is in the state of the first tensor.

    Args:
        variables: What moves.
        trajectory: How.
        energy: U of the variables, in nats, which leaves its gradients with them.
        generator: What momenta and acceptance are drawn from.
    """

    def __init__(
        self, variables: Iterable[Tensor], trajectory: Trajectory, energy: Energy, generator: torch.Generator
    ) -> None:
        super().__init__([{"params": list(variables), "rate": 1.0}], {"lr": 0.0, "adapts": 1.0})
        self.trajectory, self.energy, self.generator = trajectory, energy, generator
        self.variables: list[Tensor] = self.param_groups[0]["params"]
        # log ε, its average, the error so far, how many trajectories while it moved; accepted, tried
        log_step = math.log(trajectory.step)
        self.state[self.variables[0]]["learned"] = torch.tensor([log_step, log_step, 0.0, 0.0, 0.0, 0.0])

    @property
    def learned(self) -> Tensor:
        """What has been learned."""
        return self.state[self.variables[0]]["learned"]

    @property
    def accepted(self) -> float:
        """The share of trajectories that were accepted since ε stays; 0 before."""
        return float(self.learned[4] / self.learned[5].clamp_min(1))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One trajectory."""
        del closure
        adapts, scale = bool(self.param_groups[0]["adapts"]), 1 / self.trajectory.temperature
        jitter = 1 + _JITTER * (2 * float(torch.rand((), generator=self.generator)) - 1)
        step = math.exp(float(self.learned[0 if adapts else 1])) * jitter
        before = [each.clone() for each in self.variables]
        momenta = [torch.randn(each.shape, generator=self.generator, dtype=each.dtype) for each in self.variables]
        end = self._gradients()
        start = end * scale + _kinetic(momenta)
        for _ in range(self.trajectory.length):
            self._kick(momenta, 0.5 * step * scale)
            for each, momentum in zip(self.variables, momenta, strict=True):
                each.add_(momentum, alpha=step)
            end = self._gradients()
            self._kick(momenta, 0.5 * step * scale)
        gained = start - (end * scale + _kinetic(momenta))
        chance = math.exp(min(0.0, gained)) if math.isfinite(gained) else 0.0
        taken = float(torch.rand((), generator=self.generator)) < chance
        if not taken:
            for each, value in zip(self.variables, before, strict=True):
                each.copy_(value)
        if adapts:
            self._adapt(chance)
        else:
            self.learned[4:] += torch.tensor([float(taken), 1.0])

    def _gradients(self) -> float:
        """U, and its gradients with the variables."""
        for each in self.variables:
            each.grad = None
        with torch.enable_grad():
            energy = self.energy()
        return float(energy)

    def _kick(self, momenta: list[Tensor], by: float) -> None:
        for each, momentum in zip(self.variables, momenta, strict=True):
            if each.grad is not None:
                momentum.sub_(each.grad, alpha=by)

    def _adapt(self, chance: float) -> None:
        learned = self.learned
        learned[3] += 1
        count = float(learned[3])
        weight = 1 / (count + _DELAY)
        learned[2] = (1 - weight) * learned[2] + weight * (self.trajectory.acceptance - chance)
        learned[0] = math.log(10 * self.trajectory.step) - math.sqrt(count) / _SHRINK * learned[2]
        learned[1] = count**-_DECAY * learned[0] + (1 - count**-_DECAY) * learned[1]


def _kinetic(momenta: list[Tensor]) -> float:
    return 0.5 * sum(float(each.double().square().sum()) for each in momenta)
