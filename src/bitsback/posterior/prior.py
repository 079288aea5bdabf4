r"""Priors over a weight: normal, and the scale mixture of two normals.

Both are mixtures of zero-mean normals, so that everything about them is a function of w²:

    log p(w) = log Σ_k π_k N(w; 0, σ_k²),      d log p / dw = −w · Σ_k r_k(w²) / σ_k²

with the responsibilities r_k. `precision` is that last sum. With a second moment E_q[w²] in place of w² the same formulas
give the KL of a model with one component indicator z per weight, q(w, z) = q(w) r(z), in closed form:

    KL(q(w) r(z) || p(w, z)) = −H[q] − log Σ_k π_k exp(E_q[log N(w; 0, σ_k²)]) ≥ KL(q(w) || p(w)),

exact for the normal prior, an upper bound for the mixture (Jensen's inequality over z). Source of the mixture: Blundell et
al., "Weight Uncertainty in Neural Networks", ICML 2015, eq. 7.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.settings import check_positive, is_number

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_FLAT = 40.0  # exp(40) is past every float32 ratio that matters; a larger exponent only costs denormals and overflow


@runtime_checkable
class Prior(Protocol):
    """A zero-mean prior over one weight, as a function of its square (or second moment)."""

    @property
    def exact_in_closed_form(self) -> bool:
        """Whether `log_density` of a second moment is the exact expected log density."""
        ...

    def log_density(self, square: Tensor) -> Tensor:
        """The log density for w² (or its bound for E[w²]), elementwise, in nats."""
        ...

    def precision(self, square: Tensor) -> Tensor:
        """−2 · d log_density / d square, elementwise: the pull towards zero is `precision · w`."""
        ...


def check_prior(prior: object) -> None:
    """Refuse what is no prior.

    Raises:
        RecipeError: It is none.
    """
    if isinstance(prior, type) or not isinstance(prior, Prior):
        raise RecipeError(f"prior is {prior!r}; it must be a prior, such as Normal(1.0) or ScaleMixture()")


@dataclass(frozen=True)
class Normal:
    """N(0, std²) for every weight.

    Attributes:
        std: the standard deviation, above 0, in the weights' units.
    """

    std: float = 1.0

    def __post_init__(self) -> None:
        check_positive("the prior's std", self.std)

    @property
    def exact_in_closed_form(self) -> bool:
        """True: the KL between normals is known."""
        return True

    def log_density(self, square: Tensor) -> Tensor:
        """The log density of N(0, std²) for w², in nats."""
        return -0.5 * square / self.std**2 - (math.log(self.std) + _LOG_SQRT_2PI)

    def precision(self, square: Tensor) -> Tensor:
        """1 / std² everywhere."""
        return torch.full_like(square, 1 / self.std**2)


@dataclass(frozen=True)
class ScaleMixture:
    """π · N(0, std1²) + (1 − π) · N(0, std2²): a wide slab and a narrow spike.

    Attributes:
        pi: the slab's share, strictly between 0 and 1.
        std1: the slab's standard deviation, in the weights' units.
        std2: the spike's standard deviation, above 0 and smaller than the slab's.
    """

    pi: float = 0.5
    std1: float = 1.0
    std2: float = math.exp(-5)

    def __post_init__(self) -> None:
        check_positive("the mixture's std1", self.std1)
        check_positive("the mixture's std2", self.std2)
        if not (is_number(self.pi) and 0 < self.pi < 1):
            raise RecipeError(f"the mixture's pi is {self.pi!r}; it must lie strictly between 0 and 1")
        if self.std2 >= self.std1:
            raise RecipeError(f"the mixture's std2 is {self.std2}; it must be smaller than std1 = {self.std1}")

    @property
    def exact_in_closed_form(self) -> bool:
        """False: with a second moment the density is a bound."""
        return False

    def log_density(self, square: Tensor) -> Tensor:
        """The log density for w², in nats."""
        slab = -0.5 * square / self.std1**2 + (math.log(self.pi) - math.log(self.std1))
        spike = -0.5 * square / self.std2**2 + (math.log1p(-self.pi) - math.log(self.std2))
        return torch.logaddexp(slab, spike) - _LOG_SQRT_2PI

    def precision(self, square: Tensor) -> Tensor:
        """r_slab / std1² + r_spike / std2²."""
        slab, spike = 1 / self.std1**2, 1 / self.std2**2
        log_odds = math.log(self.pi / (1 - self.pi)) - math.log(self.std1 / self.std2)
        exponent = (0.5 * (spike - slab) * square + log_odds).clamp(max=_FLAT)
        return slab + (spike - slab) / (1 + torch.exp(exponent))
