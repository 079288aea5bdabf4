"""Mean-field variational inference ("Bayes by Backprop"): an independent normal for every weight.

Blundell et al., "Weight Uncertainty in Neural Networks", ICML 2015. The objective is the exact negative ELBO, with the KL
summed over all weights:

    E_q[−log p(D | w)] + T · KL(q || p)

The standard deviations are trained as logarithms, so that the entropy's gradient is a constant.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Layout, Params, select
from bitsback.posterior.contract import Gaussian
from bitsback.posterior.inference import Batch
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.local_reparametrization import LocalReparametrization, reparametrizable
from bitsback.posterior.prior import Prior, ScaleMixture
from bitsback.posterior.variational_weights import KlTerm, draw, kl_gradient_only, kl_value

Estimator = Literal["weight_sampling", "local_reparametrization"]


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

    def marginals(self) -> dict[str, Gaussian]:
        """Mean and variance of every weight."""
        return {name: Gaussian(value, self.stds[name].square()) for name, value in self.means.items()}

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """`count` independent draws, each tensor `[count, *shape]`."""
        noise = {n: torch.randn(count, *value.shape, generator=generator) for n, value in self.means.items()}
        return {name: value + self.stds[name] * noise[name] for name, value in self.means.items()}


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
        initial_std: every weight's standard deviation before the first step.
    """

    prior: Prior = field(default_factory=ScaleMixture)
    estimator: Estimator = "weight_sampling"
    kl: Literal["sampled", "closed_form"] | None = None
    initial_std: float = 1e-3

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "MeanFieldObjective":
        """The negative ELBO on a network traced for training.

        Raises:
            RecipeError: the initial standard deviation is not a positive number.
        """
        if not (self.initial_std > 0 and math.isfinite(self.initial_std)):
            raise RecipeError(f"initial_std is {self.initial_std}; it must be a positive number")
        return MeanFieldObjective(self, network, likelihood, masks)


class MeanFieldObjective:
    """The negative ELBO as a function of flat means and log standard deviations.

    The weights form two groups: `drawn` (one draw per step) and `local` (through their pre-activations).
    """

    def __init__(self, settings: MeanField, network: Network, likelihood: Likelihood, masks: Params) -> None:
        self.settings, self.network, self.likelihood = settings, network, likelihood
        local = reparametrizable(network) if settings.estimator == "local_reparametrization" else ()
        self.local = LocalReparametrization(network, local)
        drawn = [name for name in network.bayesian if name not in local]
        self.groups = {"drawn": Layout.of(select(network.params, drawn)), "local": self.local.layout}
        self.points = Layout.of({n: p for n, p in network.params.items() if _trained_as_point(network, n)})
        taken = (*network.bayesian, *self.points.names)
        self.constant = {n: p for n, p in network.params.items() if n not in taken}
        self.masks = masks
        self.kept = {g: self._pack_masks(layout) for g, layout in self.groups.items()}

    def start(self) -> Params:
        """The network's own params as means, the initial standard deviation, and the likelihood's variable."""
        variables = {"points": self.points.pack(self.network.params), "log_noise": self.likelihood.start()}
        for group, layout in self.groups.items():
            variables[f"{group}_mean"] = layout.pack(self.network.params)
            variables[f"{group}_log_std"] = torch.full((layout.size,), math.log(self.settings.initial_std))
        return variables

    def noise_size(self, batch: int) -> int:
        """One normal for each drawn weight (and each weight where the KL is sampled) and each local pre-activation."""
        weights = self.groups["drawn"].size + (self.groups["local"].size if self._sampled else 0)
        return weights + self.local.noise_size(batch)

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL under one draw; its gradient is that of the negative ELBO per datum."""
        drawn, local, outputs = self._split_noise(batch)
        values = self.groups["drawn"].unpack(
            draw(*self._moments(variables, "drawn"), drawn, self._term("drawn", batch))
        )
        values |= self.points.unpack(variables["points"]) | self.constant | buffers
        if not self.local.layout.names:
            return self.likelihood.nll(self.network(values, batch.inputs), batch.targets, variables["log_noise"])
        mean, log_std = self._moments(variables, "local")
        kl = kl_gradient_only(mean, log_std, local, self._term("local", batch))
        answer = self.local(values, self._local_marginals(mean, log_std), outputs, batch.inputs)
        return self.likelihood.nll(answer, batch.targets, variables["log_noise"]) + kl

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """KL(q || p) in nats summed over all kept weights, in closed form or with one draw."""
        total = 0.0
        for group, layout in self.groups.items():
            mean, log_std = (v.detach() for v in self._moments(variables, group))
            noise = torch.randn(layout.size, generator=generator) if self._sampled else None
            each = kl_value(mean, log_std, noise, self.settings.prior)
            kept = self.kept[group]
            total += float((each if kept is None else each * kept).double().sum())
        return total

    def posterior(self, variables: Params, buffers: Params) -> MeanFieldPosterior:
        """The means and standard deviations reached; pruned weights are 0 ± 0."""
        means: Params = {}
        stds: Params = {}
        for group, layout in self.groups.items():
            mean, log_std = (v.detach() for v in self._moments(variables, group))
            kept = self.kept[group]
            keep = torch.ones_like(mean) if kept is None else kept
            means |= layout.unpack((mean * keep).clone())
            stds |= layout.unpack(log_std.exp() * keep)
        order = self.network.bayesian
        points = self.points.unpack(variables["points"].detach().clone())
        return MeanFieldPosterior(select(means, order), select(stds, order), {**points, **self.constant, **buffers})

    @property
    def _sampled(self) -> bool:
        kl = self.settings.kl
        return kl == "sampled" or (kl is None and not self.settings.prior.exact_in_closed_form)

    def _pack_masks(self, layout: Layout) -> Tensor | None:
        if not any(name in self.masks for name in layout.names):
            return None
        params = self.network.params
        return layout.pack({n: self.masks.get(n, torch.ones_like(params[n])) for n in layout.names})

    def _moments(self, variables: Params, group: str) -> tuple[Tensor, Tensor]:
        return variables[f"{group}_mean"], variables[f"{group}_log_std"]

    def _term(self, group: str, batch: Batch) -> KlTerm:
        return KlTerm(self.settings.prior, self._sampled, batch.kl_scale, self.kept[group])

    def _split_noise(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor]:
        drawn, local = self.groups["drawn"].size, self.groups["local"].size
        weights = drawn + (local if self._sampled else 0)
        return batch.noise[:drawn], batch.noise[drawn:weights] if self._sampled else None, batch.noise[weights:]

    def _local_marginals(self, mean: Tensor, log_std: Tensor) -> dict[str, Gaussian]:
        var, kept = torch.exp(2 * log_std), self.kept["local"]
        if kept is not None:
            mean, var = mean * kept, var * kept
        layout = self.groups["local"]
        variances = layout.unpack(var)
        return {name: Gaussian(value, variances[name]) for name, value in layout.unpack(mean).items()}


def _trained_as_point(network: Network, name: str) -> bool:
    return name in network.deterministic and network.params[name].is_floating_point()
