"""The course of a chain: when it explores, when it samples, and which of the values that it passes are kept."""

import math
from dataclasses import dataclass

from bitsback.errors import RecipeError
from bitsback.settings import check_whole, is_number


@dataclass(frozen=True)
class Course:
    """The course of one chain.

    With several cycles each begins with long steps that go far and ends with short ones that settle: the step length falls as
    half a cosine in each (Zhang et al., "Cyclical Stochastic Gradient MCMC for Bayesian Deep Learning", 2020, eq. 3), and what
    is before `burn_in` in a cycle is exploration, without noise. With one cycle the length is the same throughout.

    Attributes:
        keep: How many values are kept in each cycle, evenly spaced, the last one at its end; at least 1.
        burn_in: The share of each cycle before anything is kept, from 0 to below 1.
        cycles: How many cycles, at least 1.
    """

    keep: int = 1
    burn_in: float = 0.5
    cycles: int = 1

    def __post_init__(self) -> None:
        check_whole("keep", self.keep, 1)
        check_whole("cycles", self.cycles, 1)
        if not (is_number(self.burn_in) and 0 <= self.burn_in < 1):
            raise RecipeError(f"burn_in is {self.burn_in!r}; it must be a number, at least 0 and below 1")

    def check(self, steps: int) -> None:
        """Refuse a chain that is too short to keep so many values.

        Raises:
            RecipeError: It is.
        """
        if len(self.kept(steps)) < self.keep * self.cycles:
            raise RecipeError(
                f"a chain of {steps} steps with {self.cycles} cycle(s) and burn_in {self.burn_in} cannot give "
                f"{self.keep} different samples a cycle; take more epochs or fewer samples"
            )

    def rate(self, done: float) -> float:
        """What multiplies the length of a step when the share `done` of all steps has been taken."""
        return 1.0 if self.cycles == 1 else 0.5 * (1 + math.cos(math.pi * self._of_cycle(done)))

    def noise(self, done: float) -> float:
        """What multiplies the temperature then: 0 while a cycle of several explores, else 1."""
        return float(self.cycles == 1 or self._of_cycle(done) >= self.burn_in)

    def kept(self, steps: int) -> frozenset[int]:
        """After which of a chain's steps, counted from 1, its value is kept."""
        ends = [round(steps * (cycle + 1) / self.cycles) for cycle in range(self.cycles)]
        found: set[int] = set()
        for start, end in zip([0, *ends], ends, strict=False):
            first = start + math.floor(self.burn_in * (end - start))
            found |= {first + math.ceil((end - first) * (index + 1) / self.keep) for index in range(self.keep)}
        return frozenset(found - {0})

    def _of_cycle(self, done: float) -> float:
        return (done * self.cycles) % 1.0
