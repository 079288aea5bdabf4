"""The code-length posterior: variational inference over the symbols that an entropy coder writes.

Every weight is one of a few levels, of which one is zero (`symbols`). The objective is the negative ELBO

    E_q[−log p(D | w)] + T · KL(q ‖ p),    p the frequencies of the levels in their layer,

and the KL in nats, divided by ln 2, is what a coder that knows the frequencies spends in bits, but for the entropy of q, which
goes to zero with the width of its steps. So the KL is the file, and T, the temperature of the run, its price: 1 is minimum
description length; a larger one gives a smaller file. Where a size is asked for, the price goes where it has to. The likelihood
is taken at the most probable symbols, and its gradient goes straight through to the latents.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bitsback.errors import RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.code_objective import CodeLengthObjective
from bitsback.posterior.contract import Posterior
from bitsback.posterior.likelihood import Likelihood
from bitsback.settings import check_positive, check_whole, is_number

MOST_LEVELS = 63
Measure = Callable[[Params], int]
"""How many bytes the params take as they are stored."""


@dataclass(frozen=True)
class Target:
    """A size that is asked for.

    Attributes:
        bytes: of the params, above 0.
        measure: says how many they take.
    """

    bytes: int
    measure: Measure = field(repr=False)

    def __post_init__(self) -> None:
        check_whole("bytes", self.bytes, 1)


@dataclass(frozen=True)
class CodeLength:
    """Settings of the code-length posterior.

    Attributes:
        levels: K of each tensor with at least two axes, odd, from 3 to 63, zero among them.
        vector_levels: The same of vectors (biases).
        width: T of the symbols' steps at the beginning, in standard deviations of the tensor's first weights, above 0; it
            falls evenly over the run.
        narrowing: What of the width is left at the end, above 0 and at most 1.
        level_rate: What multiplies the learning rate of the levels, above 0.
        rise: The share of the run over which the price of a nat rises evenly from 0 to the run's temperature, or the size
            falls to what is asked for, from 0 to 1, so that the levels are where the data want them before many weights are
            zero.
        crossed: Whether a weight's chance to be kept is told by how much its row and its column keep, and not by its layer
            alone: weights then come together in few rows and columns, which a coder is told once.
        target: A size that is asked for; the price is then what it has to be.
    """

    levels: int = 5
    vector_levels: int = 15
    width: float = 0.15
    narrowing: float = 1.0
    level_rate: float = 0.1
    rise: float = 0.5
    crossed: bool = True
    target: Target | None = None

    def __post_init__(self) -> None:
        for name in ("levels", "vector_levels"):
            value = getattr(self, name)
            check_whole(name, value, 3)
            if value % 2 == 0 or value > MOST_LEVELS:
                raise RecipeError(
                    f"{name} is {value}; it must be odd, for zero is in the middle, and at most {MOST_LEVELS}"
                )
        check_positive("width", self.width)
        check_positive("level_rate", self.level_rate)
        if not (is_number(self.narrowing) and 0 < self.narrowing <= 1):
            raise RecipeError(f"narrowing is {self.narrowing!r}; it must be a number above 0 and at most 1")
        if not (is_number(self.rise) and 0 <= self.rise <= 1):
            raise RecipeError(f"rise is {self.rise!r}; it must be a number from 0 to 1")

    def starting_at(self, posterior: Posterior) -> "CodeLength":
        """Itself: its latents start where the network's params are."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> CodeLengthObjective:
        """The negative ELBO on a network traced for training."""
        return CodeLengthObjective(self, network, likelihood, masks)
