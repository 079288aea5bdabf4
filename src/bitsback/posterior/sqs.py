"""SQS (arXiv 2510.08999): a spike and a slab of a few Gaussians for every weight, pruned and quantized together.

    q(w) = λ̃ Σ_k φ_k(θ) N(μ_k, σ_k²) + (1 − λ̃) δ_0,    λ̃ = sigmoid(s / τ′)

under the prior λ N(0, σ0²) + (1 − λ) δ_0, with the responsibilities φ of a mixture of K Gaussians that all weights of a layer,
or of a window of it, have in common (equations 3 and 33 there):

    φ(θ) = softmax(r̄ / τ),    r̄_k ∝ π_k N(θ; μ_k, σ_k²).

What is minimized is −log p(D | E_q[w]) + KL, the KL's upper bound of appendix A with its exact gradient. In the middle of the
run more and more of the weights go, those of the smallest λ̃ of all layers, by a cubic schedule. It is here to compare with: it
predicts with μ and not with λ̃ μ, as its authors do, unless `mended`, and needs K numbers for every weight while it trains.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from bitsback.errors import RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.sqs_objective import SqsObjective
from bitsback.settings import check_among, check_positive, check_whole, is_number

Windows = Literal["one", "outliers", "equal"]


@dataclass(frozen=True)
class Sqs:
    """Settings of SQS.

    Attributes:
        components: K, Gaussians of each window, zero not among them, from 2 to 64.
        sparsity: The share of weights of tensors with at least two axes that is 0 in the end, from 0 to below 1.
        prior_keep: λ, between 0 and 1; without one it is 1 − sparsity.
        prior_std: σ0, above 0.
        softness: τ, above 0.
        gate_softness: τ′, above 0.
        gate_rate: What multiplies the learning rate of s, above 0.
        begin: The share of the run after which weights begin to go, at least 0.
        end: The share after which no more go, above `begin`, at most 1.
        windows: Which weights of a layer have Gaussians of their own: all in "one"; in four, the outermost those beyond five
            interquartile ranges from the middle half, and the rest in two of as many weights ("outliers"); or in four of the
            same width ("equal").
        draws: 0 to predict with the most probable Gaussian of each weight; else how many networks are drawn, each weight's
            Gaussian by φ, and averaged.
        mended: Whether it is trained as it predicts: with μ, and not λ̃ μ, of the weights that are there, the gradient of λ̃ as
            before.
    """

    components: int = 4
    sparsity: float = 0.5
    prior_keep: float | None = None
    prior_std: float = 3.0
    softness: float = 5e-4
    gate_softness: float = 0.0125
    gate_rate: float = 12.0
    begin: float = 0.04
    end: float = 0.6
    windows: Windows = "one"
    draws: int = 0
    mended: bool = False

    def __post_init__(self) -> None:
        check_whole("components", self.components, 2)
        if self.components > 64:
            raise RecipeError(f"components is {self.components}; it must be at most 64")
        check_whole("draws", self.draws, 0)
        check_among("windows", self.windows, get_args(Windows))
        check_among("mended", self.mended, (True, False))
        for name in ("prior_std", "softness", "gate_softness", "gate_rate"):
            check_positive(name, getattr(self, name))
        if not (is_number(self.sparsity) and 0 <= self.sparsity < 1):
            raise RecipeError(f"sparsity is {self.sparsity!r}; it must be a number from 0 to below 1")
        if self.prior_keep is not None and not (is_number(self.prior_keep) and 0 < self.prior_keep < 1):
            raise RecipeError(f"prior_keep is {self.prior_keep!r}; it must be a number between 0 and 1")
        if not (is_number(self.begin) and is_number(self.end) and 0 <= self.begin < self.end <= 1):
            raise RecipeError(f"begin is {self.begin!r} and end {self.end!r}; they must rise, from 0 to 1")
        if self.draws == 1:
            raise RecipeError("draws is 1; it must be 0, or at least 2 to average")

    @property
    def keep(self) -> float:
        """λ."""
        return self.prior_keep if self.prior_keep is not None else min(max(1 - self.sparsity, 1e-3), 1 - 1e-3)

    def sparsity_at(self, done: float) -> float:
        """The share of weights that is gone after the share `done` of the run: 0, rising from `begin` to `end`, and final."""
        part = min(max((done - self.begin) / (self.end - self.begin), 0.0), 1.0)
        return self.sparsity * (1 - (1 - part) ** 3)

    def rate(self, nonzero: float) -> float:
        """What the paper calls the compression rate (equation 14): 32 / bits · 1 / non-zero, of the layers alone.

        It counts no bit for where the weights are that are not zero, no table, no bias, and no layer that stays dense.

        Args:
            nonzero: The share of weights that are not zero, above 0.
        """
        return 32 / (math.log2(self.components * (4 if self.windows != "one" else 1)) * nonzero)

    def starting_at(self, posterior: Posterior) -> "Sqs":
        """Itself: its weights start where the network's params are."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> SqsObjective:
        """The objective on a network traced for training."""
        return SqsObjective(self, network, likelihood, masks)
