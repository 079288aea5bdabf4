"""What `sqs` minimizes, as a function of weights, gates and Gaussians."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.following import FollowingMoves
from bitsback.posterior.inference import Batch
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.samples import Samples

if TYPE_CHECKING:
    from bitsback.posterior.sqs import Sqs

_OPEN, _SHUT = 5.0, -0.1
"""A gate's s at first, in τ′, and of a weight that goes."""
_ROUNDS = 50
"""Of the clustering that the Gaussians start from."""
_FAR = 5.0
"""Interquartile ranges beyond which a weight is an outlier."""
_LEAST_STD = 1e-3
"""Of a Gaussian at first, in standard deviations of its layer."""


class SqsObjective:
    """The negative ELBO's upper bound.

    Variables are named "weight/…" (θ), "gate/…" (s), "mean/…", "log_std/…" and "log_share/…" `[W, K]` of tensors with at least
    two axes, and "point/…" of the others that are trained. No gradient moves "kept/…", 0 where a weight is gone.
    """

    def __init__(self, settings: "Sqs", network: Network, likelihood: Likelihood, masks: Params) -> None:
        self.settings, self.network, self.likelihood, self.masks = settings, network, likelihood, masks
        self.coded = tuple(name for name in network.bayesian if network.params[name].ndim > 1)
        self.points = tuple(name for name in network.trained if name not in self.coded)
        self.constant = {
            name: value for name, value in network.params.items() if name not in {*self.points, *self.coded}
        }
        self.ends = {name: _windows(network.params[name], settings.windows) for name in self.coded}

    @property
    def decays(self) -> bool:
        """False: the weights have a prior."""
        return False

    @property
    def course(self) -> None:
        """None: only the last values count."""

    def moves(self, optimization: Optimization) -> "SqsMoves":
        """As the run says, and weights go."""
        return SqsMoves(self, optimization)

    def start(self) -> Params:
        """The network's own params, all gates open, and Gaussians where the weights are."""
        params, settings = self.network.params, self.settings
        found: Params = {f"point/{name}": params[name].clone() for name in self.points}
        for name in self.coded:
            weight = params[name]
            own = torch.bucketize(weight, self.ends[name])
            parts = [self._clustered(weight, own == window) for window in range(len(self.ends[name]) + 1)]
            found[f"weight/{name}"] = weight.clone()
            found[f"gate/{name}"] = torch.full_like(weight, _OPEN * settings.gate_softness)
            found[f"kept/{name}"] = self.masks.get(name, torch.ones_like(weight)).clone()
            for index, what in enumerate(("mean", "log_std", "log_share")):
                found[f"{what}/{name}"] = torch.stack([part[index] for part in parts])
        return {**found, "log_noise": self.likelihood.start()}

    def rate(self, name: str) -> float:
        """The settings' `gate_rate` for gates, else 1."""
        return self.settings.gate_rate if name.startswith("gate/") else 1.0

    def noise_size(self, batch: int) -> int:
        """No noise."""
        del batch
        return 0

    def loss(self, variables: Params, buffers: Params, batch: Batch) -> Tensor:
        """The minibatch's mean NLL at the posterior's mean; its gradient is that of the objective per datum."""
        values = {name: variables[f"point/{name}"] for name in self.points} | self.constant | buffers
        divergence = torch.zeros(())
        for name in self.coded:
            gate = torch.sigmoid(variables[f"gate/{name}"] / self.settings.gate_softness)
            phi, own = self._responsibilities(variables, name)
            mean = (phi * variables[f"mean/{name}"][own]).sum(-1)
            kept = variables[f"kept/{name}"].detach()
            values[name] = (kept + gate - gate.detach() if self.settings.mended else gate) * mean
            divergence = divergence + self._divergence(variables, name, gate, phi, own)
        outputs = self.network(values, batch.inputs)
        nll = self.likelihood.nll(outputs, batch.targets, variables["log_noise"])
        priced = batch.kl_scale * divergence
        return nll + priced - priced.detach()

    def kl(self, variables: Params, generator: torch.Generator) -> float:
        """The KL's upper bound in nats."""
        del generator
        total = 0.0
        for name in self.coded:
            gate = torch.sigmoid(variables[f"gate/{name}"] / self.settings.gate_softness)
            total += float(self._divergence(variables, name, gate, *self._responsibilities(variables, name)))
        return total

    def posterior(self, variables: Params, buffers: Params) -> Posterior:
        """The weights that are left, each at the mean of its most probable Gaussian, or some draws of them."""
        values = {name: variables[f"point/{name}"].clone() for name in self.points} | self.constant
        fixed = {name: buffer.clone() for name, buffer in self.network.kept(buffers).items()}
        drawn: Params = {}
        generator, count = torch.Generator().manual_seed(0), max(self.settings.draws, 1)
        for name in self.coded:
            phi, own = self._responsibilities(variables, name)
            means, kept = variables[f"mean/{name}"][own], variables[f"kept/{name}"]
            flat = phi.reshape(-1, phi.shape[-1])
            chosen = torch.multinomial(flat, count, replacement=True, generator=generator)
            chosen = chosen if self.settings.draws else flat.argmax(-1, keepdim=True)
            stack = means.reshape(flat.shape).gather(1, chosen).T.reshape(count, *kept.shape)
            drawn[name] = stack * kept
        random = {
            name: drawn[name] if name in drawn else values.pop(name).unsqueeze(0) for name in self.network.bayesian
        }
        if not self.settings.draws:
            return PointPosterior({name: each[0] for name, each in random.items()}, {**values, **fixed})
        random = {name: each.expand(count, *each.shape[1:]).clone() for name, each in random.items()}
        return Samples(random, {}, {**values, **fixed})

    def prune(self, variables: Params, share: float) -> None:
        """Lets so large a share of all weights go, those of the smallest λ̃ of all layers, in place."""
        gates = torch.cat([variables[f"gate/{name}"].reshape(-1) for name in self.coded])
        count = round(share * gates.numel())
        if not count or gates.min() == gates.max():  # nothing tells one from another yet
            return
        threshold = gates.kthvalue(count).values
        below, equal = gates < threshold, gates == threshold
        lost = below | (equal & (equal.cumsum(0) <= count - below.sum()))
        sizes = [self.network.params[name].numel() for name in self.coded]
        for name, some in zip(self.coded, lost.split(sizes), strict=True):
            gate, kept = variables[f"gate/{name}"], variables[f"kept/{name}"]
            gone = some.reshape(gate.shape)
            kept.copy_(torch.where(gone, torch.zeros_like(kept), self.masks.get(name, torch.ones_like(kept))))
            gate.masked_fill_(gone, _SHUT)

    def _responsibilities(self, variables: Params, name: str) -> tuple[Tensor, Tensor]:
        """φ `[*shape, K]` of each weight, and the window that it is in."""
        weight = variables[f"weight/{name}"]
        own = torch.bucketize(weight.detach(), self.ends[name])
        means, log_stds = (variables[f"{what}/{name}"][own] for what in ("mean", "log_std"))
        shares = torch.log_softmax(variables[f"log_share/{name}"], -1)[own]
        logs = shares - log_stds - 0.5 * ((weight.unsqueeze(-1) - means) * torch.exp(-log_stds)).square()
        return torch.softmax(torch.softmax(logs, -1) / self.settings.softness, -1), own

    def _divergence(self, variables: Params, name: str, gate: Tensor, phi: Tensor, own: Tensor) -> Tensor:
        """Σ KL(Bern(λ̃) ‖ Bern(λ)) + λ̃ KL(N(μ, σ²) ‖ N(0, σ0²)) with the dominant Gaussian of each weight."""
        keep, prior = self.settings.keep, self.settings.prior_std
        bernoulli = torch.special.xlogy(gate, gate / keep) + torch.special.xlogy(1 - gate, (1 - gate) / (1 - keep))
        means, log_stds = variables[f"mean/{name}"], variables[f"log_std/{name}"]
        spread = (torch.exp(2 * log_stds) + means.square()) / prior**2
        gaussian = 0.5 * (spread - 1 - 2 * (log_stds - torch.log(torch.tensor(prior))))
        own_gaussian = gaussian[own].gather(-1, phi.argmax(-1, keepdim=True)).squeeze(-1)
        return (bernoulli + gate * own_gaussian).sum()

    def _clustered(self, weight: Tensor, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means, log standard deviations and logarithms of shares of the clusters of a window's weights, by k-means."""
        some, count = weight[inside], self.settings.components
        means = torch.quantile(_thinned(some), (torch.arange(count) + 0.5) / count)
        for _ in range(_ROUNDS):
            nearest = torch.bucketize(some, (means[1:] + means[:-1]) / 2)
            sizes = torch.bincount(nearest, minlength=count).to(some.dtype)
            sums = torch.zeros(count).index_add_(0, nearest, some)
            means = torch.where(sizes > 0, sums / sizes.clamp_min(1), means).sort().values
        nearest = torch.bucketize(some, (means[1:] + means[:-1]) / 2)
        sizes = torch.bincount(nearest, minlength=count).to(some.dtype)
        squares = torch.zeros(count).index_add_(0, nearest, (some - means[nearest]).square())
        least = _LEAST_STD * weight.std(correction=0).clamp_min(1e-12)
        stds = (squares / sizes.clamp_min(1)).sqrt().clamp_min(float(least))
        return means, stds.log(), (sizes / len(some)).clamp_min(1e-6).log()


class SqsMoves(FollowingMoves):
    """An optimizer's moves, and before each of them weights that go."""

    def follow(self, done: float) -> None:
        """Lets weights go."""
        settings = self.objective.settings
        if settings.begin <= done:
            self.objective.prune(self.variables, settings.sparsity_at(done))


def _windows(weight: Tensor, rule: str) -> Tensor:
    """The ends between windows, in order; windows that nothing is in are left out."""
    if rule == "one":
        return torch.empty(0)
    flat = weight.reshape(-1)
    if rule == "equal":
        ends = torch.linspace(float(flat.min()), float(flat.max()), 5)[1:-1]
    else:
        low, middle, high = torch.quantile(_thinned(flat), torch.tensor([0.25, 0.5, 0.75]))
        ends = torch.stack([low - _FAR * (high - low), middle, high + _FAR * (high - low)])
    counts = torch.bincount(torch.bucketize(flat, ends), minlength=4)
    inside = [index for index in range(3) if counts[: index + 1].sum() > 0 and counts[index + 1 :].sum() > 0]
    return ends[inside]


def _thinned(values: Tensor) -> Tensor:
    """Few enough for PyTorch's quantiles."""
    return values[:: max(1, values.numel() // 2**22 + 1)]
