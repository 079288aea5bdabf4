"""Langevin dynamics as an optimizer: steps that sample exp(−U / T) instead of looking for U's least.

With U the negative log posterior over N data, the loss that is given is Ũ = U / N, and the learning rate η and the momentum
μ are those of SGD. A step is the splitting "BAOAB" of the underdamped dynamics, two neighbouring half kicks made one:

    v ← v − η ∇Ũ;    θ ← θ + v / 2;    v ← μ v + √((1 − μ²) T η / N) ξ;    θ ← θ + v / 2        ξ ~ N(0, 1)

so that the noise follows from η, μ, T and N. For a normal target and exact gradients the positions' variance is exact at every
stable η (Leimkuhler & Matthews, "Rational Construction of Stochastic Numerical Methods for Molecular Sampling", 2013), which
Euler's steps are not. With μ > 0 this is stochastic-gradient Hamiltonian Monte Carlo (Chen et al. 2014), with μ = 0
stochastic-gradient Langevin dynamics (Welling & Teh 2011) in the form of Leimkuhler and Matthews, whose step size is η / 2.

The gradients of minibatches add noise of their own, which no step knows; how much of the velocities' variance is more than T
asks for says how much that matters (`temperature`; Wenzel et al., "How Good is the Bayes Posterior in Deep Neural Networks
Really?", 2020, appendix I).
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


class Langevin(torch.optim.Optimizer):
    """The dynamics of some leaf tensors.

    Each group has `lr` (η), which may change between steps, and `noise`, what multiplies T: 0 makes its steps those of SGD.

    Args:
        variables: What moves.
        learning_rate: η, above 0.
        momentum: μ, from 0 to below 1.
        data: N, at least 1.
        temperature: T, at least 0.
        generator: What the noise is drawn from.
    """

    def __init__(
        self,
        variables: Iterable[Tensor],
        learning_rate: float,
        momentum: float,
        *,
        data: int,
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__([{"params": list(variables), "rate": 1.0}], {"lr": learning_rate, "noise": 1.0})
        self.momentum, self.data, self.kelvin, self.generator = momentum, data, temperature, generator

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step along the gradients that the variables carry."""
        del closure
        for group in self.param_groups:
            spread = math.sqrt((1 - self.momentum**2) * self.kelvin * group["noise"] * group["lr"] / self.data)
            for variable in group["params"]:
                if variable.grad is None:
                    continue
                state = self.state[variable]
                if not state:
                    state["velocity"] = torch.zeros_like(variable)
                self._move(variable, state["velocity"], group["lr"], spread)

    def _move(self, variable: Tensor, velocity: Tensor, rate: float, spread: float) -> None:
        assert variable.grad is not None
        velocity.add_(variable.grad, alpha=-rate)
        variable.add_(velocity, alpha=0.5)
        velocity.mul_(self.momentum)
        if spread > 0:
            velocity.add_(torch.randn(velocity.shape, generator=self.generator, dtype=velocity.dtype), alpha=spread)
        variable.add_(velocity, alpha=0.5)

    def temperature(self) -> float:
        """The kinetic temperature: N ⟨v²⟩ / η over all weights, T where the dynamics are in equilibrium.

        Right after a kick and its friction the velocities of exact gradients have variance T η / N on average.
        """
        square = number = 0.0
        for group in self.param_groups:
            for variable in group["params"]:
                if self.state.get(variable) and group["lr"] > 0:
                    square += float(self.state[variable]["velocity"].double().square().sum()) / group["lr"]
                    number += variable.numel()
        return self.data * square / number if number else 0.0
