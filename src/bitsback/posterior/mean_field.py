"""Mean-field variational inference ("Bayes by Backprop"): an independent normal for every weight.

Blundell et al., "Weight Uncertainty in Neural Networks", ICML 2015. The objective is the exact negative ELBO, with the KL
summed over all weights:

    E_q[−log p(D | w)] + T · KL(q || p)

The standard deviations are trained as logarithms, so that the entropy's gradient is a constant.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Gaussian, Posterior
from bitsback.posterior.inference import Batch, Moves
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.local_reparametrization import LocalReparametrization, reparametrizable
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.prior import Prior, ScaleMixture, check_prior
from bitsback.posterior.variational_weights import KlTerm, draw, kl_gradient_only, kl_value
from bitsback.settings import check_among, check_positive

Estimator = Literal["weight_sampling", "local_reparametrization"]
Kl = Literal["sampled", "closed_form"]


@dataclass(frozen=True)
class MeanFieldPosterior:
    """Independent normals.

    Attributes:
        means: the weights' means by name.
        stds: their standard deviations, same names and shapes.
        fixed: norms and buffers by name.
    """

    means: Params
    stds: Params
    fixed: Params

    @property
    def listing(self) -> None:
        """None: there is no end of draws."""

    @property
    def dropout(self) -> dict[str, Dropout]:
        """None of the weights."""
        return {}

    def marginals(self) -> dict[str, Gaussian]:
        """Mean and variance of every weight."""
        return {name: Gaussian(value, self.stds[name].square()) for name, value in self.means.items()}

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """`count` independent draws, each tensor `[count, *shape]`."""
        noise = {n: torch.randn(count, *value.shape, generator=generator) for n, value in self.means.items()}
        return {name: value + self.stds[name] * noise[name] for name, value in self.means.items()}

    def centre(self) -> Params:
        """The means."""
        return {**self.fixed, **self.means}


@dataclass(frozen=True)
class MeanField:
    """Settings of mean-field variational inference.

    Attributes:
        prior: the prior of every weight.
        estimator: "weight_sampling": one draw of the weights per minibatch; "local_reparametrization": draws the
            pre-activations of linear and convolution layers instead (Kingma et al. 2015; exact for linear layers, for
            convolutions it takes positions as independent), and draws the weights where that is impossible.
        kl: "sampled": one draw per step; "closed_form": the prior's closed form (for the mixture an upper bound, see
            `prior`); None: closed form where it is exact, else sampled.
        initial_std: every weight's standard deviation before the first step, above 0, in the weights' units.
        std_rate: what multiplies the learning rate of the log standard deviations, above 0. Adam moves a variable by at
            most about its rate per step, so a run of a few hundred steps leaves them near their start without it.
        starts: standard deviations by param name that stand in for `initial_std` where they are above 0.
    """

    prior: Prior = field(default_factory=ScaleMixture)
    estimator: Estimator = "weight_sampling"
    kl: Kl | None = None
    initial_std: float = 1e-3
    std_rate: float = 5.0
    starts: Params = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_prior(self.prior)
        check_among("estimator", self.estimator, get_args(Estimator))
        check_among("kl", self.kl, (*get_args(Kl), None))
        check_positive("initial_std", self.initial_std)
        check_positive("std_rate", self.std_rate)

    def starting_at(self, posterior: Posterior) -> "MeanField":
        """The same settings with standard deviations that start at a posterior's, where it has any."""
        starts = {name: var.sqrt() for name, (_, var) in posterior.marginals().items()}
        return replace(self, starts=starts)

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "MeanFieldObjective":
        """The negative ELBO on a network traced for training."""
        return MeanFieldObjective(self, network, likelihood, masks)


class MeanFieldObjective:
    """The negative ELBO as a function of means and log standard deviations.

    The random weights are either `drawn` (one draw per step) or `local` (through their pre-activations). Variables are
    named "mean/…", "log_std/…" and, for what stays a point, "point/…".
    """

    def __init__(self, settings: MeanField, network: Network, likelihood: Likelihood, masks: Params) -> None:
        self.settings, self.network, self.likelihood, self.masks = settings, network, likelihood, masks
        local = reparametrizable(network) if settings.estimator == "local_reparametrization" else ()
        self.local = LocalReparametrization(network, local)
        self.drawn = tuple(name for name in network.bayesian if name not in local)
        trained = network.trained
        self.points = tuple(name for name in network.deterministic if name in trained)
        self.constant = {name: value for name, value in network.params.items() if name not in trained}

    @property
    def decays(self) -> bool:
        """False: the weights have a prior."""
        return False

    @property
    def course(self) -> None:
        """None: only the last values count."""

    def moves(self, optimization: Optimization) -> Moves:
        """As the run says."""
        return optimization

    def start(self) -> Params:
        """The network's own params as means, the initial standard deviation, and the likelihood's variable."""
        params = self.network.params
        variables = {f"mean/{n}": params[n].clone() for n in self.network.bayesian}
        variables |= {f"log_std/{n}": torch.log(self._initial_std(n)) for n in self.network.bayesian}
        variables |= {f"point/{n}": params[n].clone() for n in self.points}
        return {**variables, "log_noise": self.likelihood.start()}

    def rate(self, name: str) -> float:
        """The settings' `std_rate` for log standard deviations, else 1."""
        return self.settings.std_rate if name.startswith("log_std/") else 1.0

    def noise_size(self, batch: int) -> int:
        """One normal for each drawn weight (and each weight where the KL is sampled) and each local pre-activation."""
        return sum(self.network.params[n].numel() for n in self._noisy) + self.local.noise_size(batch)

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL under one draw; its gradient is that of the negative ELBO per datum."""
        noise, rest = self._split(batch.noise)
        values = {n: variables[f"point/{n}"] for n in self.points} | self.constant | buffers
        for name in self.drawn:
            values[name] = draw(*self._moments(variables, name), noise[name], self._term(name, batch))
        if not self.local.names:
            return self.likelihood.nll(self.network(values, batch.inputs), batch.targets, variables["log_noise"])
        outputs = self.local(values, self._local_marginals(variables), rest, batch.inputs)
        loss = self.likelihood.nll(outputs, batch.targets, variables["log_noise"])
        for name in self.local.names:
            term = self._term(name, batch)
            loss = loss + kl_gradient_only(*self._moments(variables, name), noise.get(name), term)
        return loss

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """KL(q || p) in nats summed over all kept weights, in closed form or with one draw."""
        total = 0.0
        for name in self.network.bayesian:
            mean, log_std = (v.detach() for v in self._moments(variables, name))
            noise = torch.randn(mean.shape, generator=generator) if self._sampled else None
            each = kl_value(mean, log_std, noise, self.settings.prior)
            total += float((each * self.masks.get(name, 1.0)).double().sum())
        return total

    def posterior(self, variables: Params, buffers: Params) -> MeanFieldPosterior:
        """The means and standard deviations reached; pruned weights are 0 ± 0."""
        means: Params = {}
        stds: Params = {}
        for name in self.network.bayesian:
            mean, log_std = (v.detach() for v in self._moments(variables, name))
            kept = self.masks.get(name, torch.ones_like(mean)).bool()
            means[name] = torch.where(kept, mean, torch.zeros_like(mean))
            stds[name] = torch.where(kept, log_std.exp(), torch.zeros_like(mean))
        points = {n: variables[f"point/{n}"].detach().clone() for n in self.points}
        kept_buffers = {n: buffer.clone() for n, buffer in self.network.kept(buffers).items()}
        return MeanFieldPosterior(means, stds, {**points, **self.constant, **kept_buffers})

    def _initial_std(self, name: str) -> Tensor:
        usual = torch.full_like(self.network.params[name], self.settings.initial_std)
        given = self.settings.starts.get(name, usual)
        return torch.where(given > 0, given, usual)

    @property
    def _sampled(self) -> bool:
        kl = self.settings.kl
        return kl == "sampled" or (kl is None and not self.settings.prior.exact_in_closed_form)

    @property
    def _noisy(self) -> tuple[str, ...]:
        return (*self.drawn, *self.local.names) if self._sampled else self.drawn

    def _moments(self, variables: Params, name: str) -> tuple[Tensor, Tensor]:
        return variables[f"mean/{name}"], variables[f"log_std/{name}"]

    def _term(self, name: str, batch: Batch) -> KlTerm:
        return KlTerm(self.settings.prior, self._sampled, batch.kl_scale, self.masks.get(name))

    def _split(self, noise: Tensor) -> tuple[Params, Tensor]:
        """Each weight's noise, and what is left for the pre-activations."""
        parts: Params = {}
        start = 0
        for name in self._noisy:
            shape, size = self.network.params[name].shape, self.network.params[name].numel()
            parts[name] = noise[start : start + size].view(shape)
            start += size
        return parts, noise[start:]

    def _local_marginals(self, variables: Params) -> dict[str, Gaussian]:
        marginals: dict[str, Gaussian] = {}
        for name in self.local.names:
            mean, log_std = self._moments(variables, name)
            kept = self.masks.get(name, 1.0)
            marginals[name] = Gaussian(mean * kept, torch.exp(2 * log_std) * kept)
        return marginals
