"""The code-length posterior: variational inference over the symbols that an entropy coder writes.

Every weight is one of a few levels, of which one is zero (`symbols`). The objective is the negative ELBO

    E_q[−log p(D | w)] + T · KL(q ‖ p),    p the frequencies of the levels in their layer,

and the KL in nats, divided by ln 2, is what a coder that knows the frequencies spends in bits, but for the entropy of q, which
goes to zero with the width of its steps. So the KL is the file, and T, the temperature of the run, its price: 1 is minimum
description length; a larger one gives a smaller file. The likelihood is taken at the most probable symbols, and its gradient
goes straight through to the latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.inference import Batch, Moves, Surroundings
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.symbols import Cells, cells, divergence, symbols, weights
from bitsback.settings import check_positive, check_whole, is_number

_RAREST = 1e-6
"""The least share of a level, so that its cost stays finite."""
_INNER, _OUTER = 1.4, 3.2
"""The first levels, in standard deviations of a layer's weights: those next to zero and those farthest from it."""
_APART = 0.5
"""The least distance of the others from zero, in the same unit."""
_OFTEN = 0.8
"""The share of zeros that is assumed before the first step."""
_MULTIPLES = 127
"""A vector is rounded to so many multiples of one step on each side of zero: 8 bits."""


@dataclass(frozen=True)
class CodeLength:
    """Settings of the code-length posterior.

    Attributes:
        levels: K of each tensor with at least two axes, odd, from 3 to 63, zero among them. Vectors (biases) are trained as
            they are, and rounded to 8 bits in the end.
        width: T of the symbols' steps at the beginning, in standard deviations of the tensor's first weights, above 0; it
            falls evenly over the run.
        narrowing: What of the width is left at the end, above 0 and at most 1.
        level_rate: What multiplies the learning rate of the levels, above 0.
        rise: The share of the run over which the price of a nat rises evenly from 0 to the run's temperature, from 0 to 1, so
            that the levels are where the data want them before many weights are zero.
    """

    levels: int = 5
    width: float = 0.15
    narrowing: float = 0.3
    level_rate: float = 0.1
    rise: float = 0.3

    def __post_init__(self) -> None:
        check_whole("levels", self.levels, 3)
        if self.levels % 2 == 0 or self.levels > 63:
            raise RecipeError(f"levels is {self.levels}; it must be odd, for zero is in the middle, and at most 63")
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

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "CodeLengthObjective":
        """The negative ELBO on a network traced for training."""
        return CodeLengthObjective(self, network, likelihood, masks)


class CodeLengthObjective:
    """The negative ELBO as a function of latents and levels.

    Variables are named "latent/…" and "levels/…" of coded tensors, "point/…" of the others that are trained. No gradient moves
    "shares/…", how often each level comes, "width/…", T in the tensor's unit, and "risen", how far the price has.
    """

    def __init__(self, settings: CodeLength, network: Network, likelihood: Likelihood, masks: Params) -> None:
        self.settings, self.network, self.likelihood, self.masks = settings, network, likelihood, masks
        self.coded = tuple(name for name in network.bayesian if network.params[name].ndim > 1)
        self.points = tuple(name for name in network.trained if name not in self.coded)
        self.constant = {
            name: value for name, value in network.params.items() if name not in {*self.points, *self.coded}
        }

    @property
    def decays(self) -> bool:
        """False: the weights have a prior."""
        return False

    @property
    def course(self) -> None:
        """None: only the last values count."""

    def moves(self, optimization: Optimization) -> Moves:
        """As the run says, but for what follows from the latents in closed form."""
        return _CodeMoves(self, optimization)

    def start(self) -> Params:
        """The network's own params as latents, and levels on both sides of zero."""
        params, half = self.network.params, self.settings.levels // 2
        steps = torch.linspace(_INNER, _OUTER if half > 1 else _INNER, half)
        whole = torch.cat([-steps.flip(0), torch.zeros(1), steps])
        shares = torch.full_like(whole, (1 - _OFTEN) / (2 * half))
        shares[half] = _OFTEN
        found: Params = {f"point/{name}": params[name].clone() for name in self.points}
        for name in self.coded:
            found[f"latent/{name}"] = params[name].clone()
            found[f"levels/{name}"] = whole * self._scale(name)
            found[f"shares/{name}"] = shares.clone()
            found[f"width/{name}"] = self.settings.width * self._scale(name)
        return {**found, "risen": torch.zeros(()), "log_noise": self.likelihood.start()}

    def rate(self, name: str) -> float:
        """The settings' `level_rate` for levels, else 1."""
        return self.settings.level_rate if name.startswith("levels/") else 1.0

    def noise_size(self, batch: int) -> int:
        """No noise."""
        del batch
        return 0

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL at the most probable symbols; its gradient is that of the negative ELBO per datum."""
        values = {name: variables[f"point/{name}"] for name in self.points} | self.constant | buffers
        price = batch.kl_scale * variables["risen"].detach()
        for name in self.coded:
            found = weights(variables[f"latent/{name}"], self.cells(variables, name), price)
            values[name] = found * self.masks[name] if name in self.masks else found
        outputs = self.network(values, batch.inputs)
        return self.likelihood.nll(outputs, batch.targets, variables["log_noise"])

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """KL(q ‖ p) in nats summed over all coded weights."""
        del generator
        variables = self._at_rest(variables)
        return sum(float(divergence(variables[f"latent/{name}"], self.cells(variables, name))) for name in self.coded)

    def posterior(self, variables: Params, buffers: Params) -> PointPosterior:
        """The most probable symbols' levels, as float16 has them, and vectors of 8 bits."""
        variables = self._at_rest(variables)
        values = {name: variables[f"point/{name}"] for name in self.points} | self.constant
        for name in self.coded:
            of = self.cells(variables, name)
            found = of.levels.half().float()[symbols(variables[f"latent/{name}"], of)]
            values[name] = found * self.masks[name] if name in self.masks else found
        random = {name: values.pop(name) for name in self.network.bayesian}
        random = {name: _rounded(each) if each.ndim < 2 else each for name, each in random.items()}
        fixed = {name: buffer.clone() for name, buffer in self.network.kept(buffers).items()}
        return PointPosterior(random, {**values, **fixed})

    def cells(self, variables: Params, name: str) -> Cells:
        """Of one coded tensor; its middle level is zero whatever moves the others."""
        levels, shares, width = (variables[f"{part}/{name}"] for part in ("levels", "shares", "width"))
        others = torch.ones_like(shares)
        others[len(others) // 2] = 0
        return cells(levels * others, shares.detach(), width.detach())

    @torch.no_grad()
    def advance(self, variables: Params, done: float) -> None:
        """Sets the price and the widths to what they are when the share `done` of all steps has been taken, in place."""
        variables["risen"].fill_(min(done / self.settings.rise, 1.0) if self.settings.rise else 1.0)
        width = self.settings.width * (1 - (1 - self.settings.narrowing) * done)
        for name in self.coded:
            variables[f"width/{name}"].copy_(width * self._scale(name))

    @torch.no_grad()
    def refresh(self, variables: Params) -> None:
        """Brings levels into order, with zero in the middle, and counts how often each comes, in place."""
        half = self.settings.levels // 2
        for name in self.coded:
            levels, least = variables[f"levels/{name}"], _APART * self._scale(name)
            levels[:half] = levels[:half].clamp_max(-least).sort().values
            levels[half] = 0
            levels[half + 1 :] = levels[half + 1 :].clamp_min(least).sort().values
            found = symbols(variables[f"latent/{name}"], self.cells(variables, name))
            counts = torch.bincount(found.reshape(-1), minlength=len(levels)).to(levels.dtype)
            variables[f"shares/{name}"].copy_((counts / counts.sum()).clamp_min(_RAREST))

    def _at_rest(self, variables: Params) -> Params:
        """A copy in which what follows in closed form follows from where the last step went."""
        found = {name: value.detach().clone() for name, value in variables.items()}
        self.refresh(found)
        return found

    def _scale(self, name: str) -> Tensor:
        """The standard deviation of a tensor's first weights; 1 where they are all the same."""
        first = self.network.params[name]
        spread = first.std() if first.numel() > 1 else first.new_zeros(())
        return torch.where(spread > 0, spread, torch.ones_like(spread))


class _CodeMoves:
    """An optimizer's moves, and before each of them what follows in closed form."""

    def __init__(self, objective: CodeLengthObjective, optimization: Optimization) -> None:
        self.objective, self.optimization = objective, optimization
        self.variables: Params = {}

    def build(
        self, variables: list[Tensor], rates: Sequence[float], surroundings: Surroundings, /
    ) -> torch.optim.Optimizer:
        """The optimizer of all; what no gradient reaches it leaves alone."""
        del surroundings
        self.variables = dict(zip(self.objective.start(), variables, strict=True))
        return self.optimization.build(variables, rates)

    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """Gives every variable its learning rate, and refreshes what follows from the latents."""
        self.optimization.set_rate(optimizer, done)
        self.objective.advance(self.variables, done)
        self.objective.refresh(self.variables)

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """Nothing."""
        return self.optimization.seen(optimizer)


def _rounded(vector: Tensor) -> Tensor:
    """The nearest of 255 multiples of one step."""
    largest = vector.abs().max() if vector.numel() else vector.new_zeros(())
    step = torch.where(largest > 0, largest / _MULTIPLES, torch.ones_like(largest))
    return torch.round(vector / step) * step
