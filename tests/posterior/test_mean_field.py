import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributions import Normal as Reference
from torch.distributions import kl_divergence

from bitsback.errors import RecipeError
from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.posterior.fit import fit
from bitsback.posterior.inference import Batch
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.mean_field import MeanField, MeanFieldPosterior
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.prior import Normal, ScaleMixture
from tests.networks import Transposed, normed
from tests.posterior.densities import density
from tests.posterior.recorder import Recorder

CLASSES = Likelihood("classification", 3)
PRIORS = [Normal(0.5), ScaleMixture(0.25, 1.0, 0.05)]


def small():
    torch.manual_seed(0)
    return trace(mlp((4,), 3, hidden=(5,)), (4,))


def drawn_noise(objective, batch, seed=0):
    return torch.randn(objective.noise_size(batch), generator=torch.Generator().manual_seed(seed))


def variables(objective, seed=0):
    """The objective's variables, moved to where no gradient vanishes, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (value + 0.3 * torch.randn(value.shape, generator=generator)).double().requires_grad_()
        for name, value in objective.start().items()
    }


@pytest.mark.parametrize("weighting", ["even", "geometric"])
@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_gradients_of_an_epoch_add_up_to_that_of_the_exact_objective(prior, weighting):
    network, inference = small(), MeanField(prior, kl="sampled", initial_std=0.1)
    generator = torch.Generator().manual_seed(0)
    data = Examples(torch.randn(24, 4, generator=generator), torch.randint(0, 3, (24,), generator=generator))
    recorder = Recorder()
    fit(network, recorder, CLASSES, data, FitSettings(1, 6, temperature=0.3, kl_weighting=weighting))
    objective = inference.objective(network, CLASSES, {})
    point, noise = variables(objective), drawn_noise(objective, 6).double()
    names = [name for name in point if name != "log_noise"]
    found = dict.fromkeys(names, torch.zeros(()))
    for batch in recorder.batches:
        double = Batch(batch.inputs.double(), batch.targets, noise, batch.kl_scale.double())
        gradients = torch.autograd.grad(objective.loss(point, {}, double), [point[name] for name in names])
        found = {name: found[name] + 6 * gradient for name, gradient in zip(names, gradients, strict=True)}
    expected = torch.autograd.grad(exact(network, prior, point, data, noise), [point[name] for name in names])
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6)


def exact(network, prior, point, data, noise, temperature=0.3):
    """The NLL of all data summed, and T times the KL summed, for weights drawn with the given noise."""
    weights, kl, start = {}, torch.zeros(()), 0
    for name in network.bayesian:
        mean, std = point[f"mean/{name}"], point[f"log_std/{name}"].exp()
        weights[name] = mean + std * noise[start : (start := start + mean.numel())].view_as(mean)
        kl = kl - Reference(mean, std).entropy().sum() - density(prior).log_prob(weights[name]).sum()
    nll = nn.functional.cross_entropy(network(weights, data.inputs.double()), data.targets, reduction="sum")
    return nll + temperature * kl


class KnownNoise(Likelihood):
    """Regression with a standard deviation of 0.5 that is not learned."""

    def nll(self, outputs, targets, log_noise):
        return super().nll(outputs, targets, torch.full_like(log_noise, math.log(0.5)))


def linear_regressions(count, orthogonal=False):
    """Sixty-four regressions on the same three features, so that chance averages out."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 3, generator=generator)
    if orthogonal:
        inputs = torch.linalg.qr(inputs)[0] * math.sqrt(count) * torch.tensor([0.2, 0.5, 1.0])
    else:
        inputs[:, 1] += 0.5 * inputs[:, 0]
    targets = inputs @ torch.randn(3, 64, generator=generator) * 0.4 + 0.5 * torch.randn(count, 64, generator=generator)
    return Examples(inputs, targets)


LOCAL: dict[str, Any] = {"estimator": "local_reparametrization"}
CASES = {
    "orthogonal": ({}, {}, True),
    "correlated": ({}, {}, False),
    "sampled KL": ({"kl": "sampled"}, {}, False),
    "local": (LOCAL, {}, False),
    "local, sampled KL": ({**LOCAL, "kl": "sampled"}, {}, False),
    "warm": ({}, {"temperature": 4.0}, False),
    "cold": ({}, {"temperature": 0.25}, False),
    "batches of 20 of 32": (LOCAL, {"batch": 20}, True),
    "geometric": ({}, {"batch": 16, "kl_weighting": "geometric"}, False),
}


@pytest.mark.parametrize(("method", "changed", "orthogonal"), CASES.values(), ids=CASES.keys())
def test_linear_regression_reaches_the_exact_optimum(method, changed, orthogonal):
    data = linear_regressions(32, orthogonal)
    settings = FitSettings(**{"batch": 32, "optimization": Optimization("adam", 0.05), **changed, "epochs": 1})
    settings = dataclasses.replace(settings, epochs=500 // (32 // settings.batch))
    torch.manual_seed(0)
    network = trace(nn.Linear(3, 64, bias=False), (3,))
    inference = MeanField(Normal(0.8), initial_std=0.1, std_rate=1.0, **method)
    fitted = fit(network, inference, KnownNoise("regression", 64), data, settings)
    found, temperature = fitted.posterior.marginals()["weight"], settings.temperature
    # E[NLL] + T KL is least at the mean of the exact posterior of a T times weaker likelihood, at its conditional variances
    precision = data.inputs.T @ data.inputs / (0.5**2 * temperature) + torch.eye(3) / 0.8**2
    best = torch.linalg.solve(precision, data.inputs.T @ data.targets / (0.5**2 * temperature)).T
    spread = torch.rsqrt(precision.diagonal())
    off = (found.mean - best) / spread
    assert (off.square().mean(0).sqrt() < 0.15).all()
    torch.testing.assert_close(found.var.sqrt().mean(0), spread, rtol=0.04, atol=0)


def test_the_kl_in_the_history_is_that_of_the_posterior():
    prior = Normal(0.8)
    network = trace(nn.Linear(3, 64, bias=False), (3,))
    fitted = fit(network, MeanField(prior), KnownNoise("regression", 64), linear_regressions(32), FitSettings(3, 32))
    mean, var = fitted.posterior.marginals()["weight"]
    expected = kl_divergence(Reference(mean, var.sqrt()), Reference(torch.zeros(()), torch.tensor(0.8))).sum()
    assert fitted.history[-1]["kl"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kl", ["sampled", "closed_form"])
@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_kl_counts_the_kept_weights_alone(prior, kl):
    network = small()
    masks = {name: torch.zeros_like(value) for name, value in network.params.items() if name != "1.bias"}
    inference = MeanField(prior, kl=kl)

    def value(masks, seed=0):
        objective = inference.objective(network, CLASSES, masks)
        return objective.kl(objective.start(), torch.Generator().manual_seed(seed))

    halves = {name: 1 - mask for name, mask in masks.items()} | {"1.bias": torch.zeros(5)}
    assert value(masks) + value(halves) == pytest.approx(value({}), rel=1e-5)
    assert value({name: torch.zeros_like(p) for name, p in network.params.items()}) == 0
    assert (value({}, seed=1) == value({})) is (kl == "closed_form")


@pytest.mark.parametrize(
    ("estimator", "kl", "prior", "size"),
    [
        ("weight_sampling", None, ScaleMixture(), 43),
        ("weight_sampling", None, Normal(), 43),
        ("local_reparametrization", None, Normal(), 7 * 8),
        ("local_reparametrization", "sampled", Normal(), 43 + 7 * 8),
        ("local_reparametrization", None, ScaleMixture(), 43 + 7 * 8),
        ("local_reparametrization", "closed_form", ScaleMixture(), 7 * 8),
    ],
)
def test_a_step_asks_for_as_much_noise_as_it_needs(estimator, kl, prior, size):
    objective = MeanField(prior, estimator, kl).objective(small(), CLASSES, {})
    assert objective.noise_size(7) == size
    batch = Batch(torch.zeros(7, 4), torch.zeros(7, dtype=torch.long), torch.zeros(size), torch.tensor(0.1))
    assert objective.loss(objective.start(), {}, batch).isfinite()


@pytest.mark.parametrize("estimator", ["weight_sampling", "local_reparametrization"])
@pytest.mark.parametrize("make", [normed, Transposed, lambda: mlp((4,), 3, hidden=(5,))])
def test_the_value_is_the_nll_and_every_weight_gets_a_gradient(make, estimator):
    network = trace(make(), (4,))
    objective = MeanField(estimator=estimator).objective(network, CLASSES, {})
    start = {name: value.requires_grad_() for name, value in objective.start().items()}
    inputs, targets = torch.randn(7, 4), torch.arange(7) % 3
    batch = Batch(inputs, targets, torch.zeros(objective.noise_size(7)), torch.tensor(0.1))
    loss = objective.loss(start, network.buffers, batch)
    plain = nn.functional.cross_entropy(network({**network.params, **network.buffers}, inputs), targets)
    torch.testing.assert_close(loss, plain)
    loss.backward()
    assert all(value.grad is not None for name, value in start.items() if name != "log_noise")


def test_it_starts_at_the_networks_params_and_gives_back_what_it_reached():
    network = trace(normed(), (4,), train=True, deterministic=("4.bias",))
    objective = MeanField(initial_std=0.02).objective(network, CLASSES, {"0.weight": torch.zeros(5, 4)})
    posterior = objective.posterior(objective.start(), network.buffers)
    assert set(posterior.means) == set(network.bayesian) == {"0.weight", "0.bias", "4.weight"}
    for name in ("0.bias", "4.weight"):
        assert torch.equal(posterior.means[name], network.params[name])
        torch.testing.assert_close(posterior.stds[name], torch.full_like(network.params[name], 0.02))
    assert not posterior.means["0.weight"].any()
    assert not posterior.stds["0.weight"].any()
    expected = {**{name: network.params[name] for name in network.deterministic}, **network.buffers}
    assert posterior.fixed.keys() == expected.keys()
    assert all(torch.equal(posterior.fixed[name], value) for name, value in expected.items())


@pytest.mark.parametrize("name", ["initial_std", "std_rate"])
@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_settings_out_of_range_are_refused(name, wrong):
    with pytest.raises(RecipeError, match=f"{name} is {wrong}; it must be a positive number"):
        MeanField(**{name: wrong}).objective(small(), CLASSES, {})


def test_standard_deviations_alone_have_a_rate_of_their_own():
    network = trace(normed(), (4,))
    objective = MeanField(std_rate=7.0).objective(network, CLASSES, {})
    rates = {name: objective.rate(name) for name in objective.start()}
    assert {name for name, rate in rates.items() if rate == 7.0} == {f"log_std/{name}" for name in network.bayesian}
    assert {rate for name, rate in rates.items() if not name.startswith("log_std/")} == {1.0}


def test_standard_deviations_go_on_where_a_posterior_is():
    network = small()
    means = {name: param.clone() for name, param in network.params.items()}
    stds = {name: torch.rand_like(param) for name, param in means.items()}
    next(iter(stds.values())).flatten()[0] = 0.0  # pruned: it starts afresh
    before = MeanFieldPosterior(means, stds, {})
    inference = MeanField(initial_std=0.02).starting_at(before)
    objective = inference.objective(network, CLASSES, {})
    after = objective.posterior(objective.start(), {}).stds
    expected = {name: torch.where(std > 0, std, torch.tensor(0.02)) for name, std in stds.items()}
    for name, std in expected.items():
        torch.testing.assert_close(after[name], std)
