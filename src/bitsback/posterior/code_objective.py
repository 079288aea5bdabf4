"""What `code_length` minimizes, as a function of latents and levels."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.code_moves import CodeMoves
from bitsback.posterior.inference import Batch
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.symbols import Cells, cells, divergence, length, symbols, weights

if TYPE_CHECKING:
    from bitsback.posterior.code_length import CodeLength

_INNER, _OUTER = 1.4, 3.2
"""The first levels, in standard deviations of a layer's weights: those next to zero, of few, and those farthest from it."""
_APART = 0.4
"""The least distance of the others from zero, in that of the first ones."""
_KEPT = 0.2
"""The share of weights that is assumed to be kept before the first step."""
_UNSEEN = 0.5
"""What is added to every count, so that what never came may come again."""


class CodeLengthObjective:
    """The negative ELBO as a function of latents and levels.

    Variables are named "latent/…" and "levels/…" of coded tensors, "point/…" of the others that are trained. No gradient moves
    "costs/…" and "inner/…", what the levels that are not 0 cost among themselves and where they meet, "rows/…" and "columns/…",
    the parts of the logit of a weight's chance to be kept, "width/…", T in the tensor's unit, "price/nat", what multiplies a
    nat beside the run's temperature, and "price/…", what its controller remembers.
    """

    def __init__(self, settings: "CodeLength", network: Network, likelihood: Likelihood, masks: Params) -> None:
        self.settings, self.network, self.likelihood, self.masks = settings, network, likelihood, masks
        self.coded = tuple(name for name in network.bayesian if network.params[name].ndim > 0)
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

    def moves(self, optimization: Optimization) -> CodeMoves:
        """As the run says, but for what follows from the latents in closed form."""
        return CodeMoves(self, optimization)

    def start(self) -> Params:
        """The network's own params as latents, and levels on both sides of zero."""
        params = self.network.params
        found: Params = {f"point/{name}": params[name].clone() for name in self.points}
        for name in self.coded:
            steps = _steps((self.settings.levels if params[name].ndim > 1 else self.settings.vector_levels) // 2)
            levels = torch.cat([-steps.flip(0), torch.zeros(1), steps])
            rows, columns = _as_rows(params[name]).shape if self._is_crossed(name) else (1, 1)
            found[f"latent/{name}"] = params[name].clone()
            found[f"levels/{name}"] = levels * self.scale(name)
            found[f"rows/{name}"] = torch.logit(torch.full((rows, 1), _KEPT))
            found[f"columns/{name}"] = torch.zeros(1, columns)
            found[f"width/{name}"] = self.settings.width * self.scale(name)
            shares = torch.full_like(levels, 1 / (len(levels) - 1))
            of = cells(found[f"levels/{name}"], shares, found[f"width/{name}"])
            found[f"costs/{name}"], found[f"inner/{name}"] = of.costs, of.inner
        return {**found, **CodeMoves.start(self.settings.target), "log_noise": self.likelihood.start()}

    def rate(self, name: str) -> float:
        """The settings' `level_rate` for levels, else 1."""
        return self.settings.level_rate if name.startswith("levels/") else 1.0

    def noise_size(self, batch: int) -> int:
        """No noise."""
        del batch
        return 0

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL at the most probable symbols; its gradient is that of the negative ELBO per datum."""
        coded = _as_it_is(self._coded)(variables, batch.kl_scale * variables["price/nat"].detach())
        points = {name: variables[f"point/{name}"] for name in self.points}
        outputs = self.network({**points, **self.constant, **coded, **buffers}, batch.inputs)
        return self.likelihood.nll(outputs, batch.targets, variables["log_noise"])

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """KL(q ‖ p) in nats summed over all coded weights."""
        del generator
        variables = self.at_rest(variables)
        return sum(divergence(self._latent(variables, name), self.cells(variables, name)) for name in self.coded)

    def length(self, variables: Params) -> float:
        """What a coder spends on the most probable symbols, in nats, summed over all coded weights."""
        total = 0.0
        for name in self.coded:
            of = self.cells(variables, name)
            total += length(symbols(self._latent(variables, name), of), of)
        return total

    def posterior(self, variables: Params, buffers: Params, worth: float = 1.0) -> PointPosterior:
        """The most probable symbols' levels, as float16 has them.

        Args:
            variables: as trained.
            buffers: of the network.
            worth: as of `Cells`: above 1, fewer weights are kept.
        """
        variables = self.at_rest(variables)
        values = {name: variables[f"point/{name}"] for name in self.points} | self.constant
        for name in self.coded:
            of = self.cells(variables, name)._replace(worth=worth)
            found = (
                of.levels
                .half()
                .float()[symbols(self._latent(variables, name), of)]
                .reshape(self.network.params[name].shape)
            )
            values[name] = found * self.masks[name] if name in self.masks else found
        random = {name: values.pop(name) for name in self.network.bayesian}
        fixed = {name: buffer.clone() for name, buffer in self.network.kept(buffers).items()}
        return PointPosterior(random, {**values, **fixed})

    def cells(self, variables: Params, name: str) -> Cells:
        """Of one coded tensor."""
        inner, told, rows, columns, width = (variables[f"{part}/{name}"].detach() for part in Cells._fields[1:-1])
        return Cells(variables[f"levels/{name}"], inner, told, rows, columns, width)

    @torch.no_grad()
    def refresh(self, variables: Params) -> None:
        """Brings levels into order and counts how often each comes, in place."""
        for name in self.coded:
            levels = variables[f"levels/{name}"]
            half = len(levels) // 2
            least = _APART * _steps(half)[0] * self.scale(name)
            levels[:half] = levels[:half].clamp_max(-least).sort().values
            levels[half + 1 :] = levels[half + 1 :].clamp_min(least).sort().values
            found = symbols(self._latent(variables, name), self.cells(variables, name))
            self._count(variables, name, found)

    def at_rest(self, variables: Params) -> Params:
        """A copy in which what follows in closed form follows from where the last step went."""
        found = {name: value.detach().clone() for name, value in variables.items()}
        self.refresh(found)
        return found

    def scale(self, name: str) -> Tensor:
        """The standard deviation of a tensor's first weights; 1 where they are all the same."""
        first = self.network.params[name]
        spread = first.std() if first.numel() > 1 else first.new_zeros(())
        return torch.where(spread > 0, spread, torch.ones_like(spread))

    def _coded(self, variables: Params, price: Tensor) -> Params:
        found: Params = {}
        for name in self.coded:
            latent = variables[f"latent/{name}"]
            each = weights(_as_rows(latent), self.cells(variables, name), price).reshape(latent.shape)
            found[name] = each * self.masks[name] if name in self.masks else each
        return found

    def _count(self, variables: Params, name: str, found: Tensor) -> None:
        """How often each level comes, and how much rows and columns keep."""
        levels = variables[f"levels/{name}"]
        half = len(levels) // 2
        counts = torch.bincount(found.reshape(-1), minlength=len(levels)).to(levels.dtype) + _UNSEEN
        of = cells(levels, counts / (counts.sum() - counts[half]), variables[f"width/{name}"])
        variables[f"costs/{name}"].copy_(of.costs)
        variables[f"inner/{name}"].copy_(of.inner)
        kept = (found != half).to(levels.dtype)
        rows, columns = variables[f"rows/{name}"], variables[f"columns/{name}"]
        rows.fill_(float(_logit(kept.sum(), kept.numel())))
        if self._is_crossed(name):
            columns.copy_(_logit(kept.sum(0, keepdim=True), kept.shape[0]) - rows[0])
            rows.copy_(_logit(kept.sum(1, keepdim=True), kept.shape[1]))

    def _is_crossed(self, name: str) -> bool:
        """Whether rows and columns tell a weight's chance to be kept."""
        return self.settings.crossed and min(_as_rows(self.network.params[name]).shape) > 1

    def _latent(self, variables: Params, name: str) -> Tensor:
        return _as_rows(variables[f"latent/{name}"])


def _steps(half: int) -> Tensor:
    """The first levels above zero, in standard deviations."""
    return torch.linspace(min(_INNER, _OUTER / half), _OUTER if half > 1 else _INNER, half)


def _as_it_is(function: Callable[..., Params]) -> Callable[..., Params]:
    """Not compiled: a compiler would look at every threshold as a constant of its own."""
    return torch.compiler.disable(function)  # pyright: ignore[reportReturnType]


def _logit(counts: Tensor, of: int) -> Tensor:
    """Ln p / (1 − p) of the chance p that so many of so many say."""
    return (counts + _UNSEEN).log() - (of - counts + _UNSEEN).log()


def _as_rows(tensor: Tensor) -> Tensor:
    """As rows and columns, as the file has it: a vector is one row."""
    return tensor.reshape(tensor.shape[0] if tensor.ndim > 1 else 1, -1)
