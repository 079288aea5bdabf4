"""Samples as posteriors: what chains went through, and members that were trained one by one."""

import dataclasses
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import nn

from bitsback.errors import RecipeError
from bitsback.given.network import trace
from bitsback.posterior import checkpoint
from bitsback.posterior.ensembles import DeepEnsemble, SnapshotEnsemble
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point import Point
from bitsback.posterior.prior import Normal
from bitsback.posterior.samples import Samples
from bitsback.posterior.sg_mcmc import SgMcmc

CLASSES = Likelihood("classification", 2)
METHODS = {
    "sghmc": SgMcmc(samples=6, chains=2, learning_rate=0.01),
    "sgld": SgMcmc("sgld", samples=6, chains=2, learning_rate=0.01),
    "cyclical": SgMcmc(samples=8, chains=2, cycles=2, burn_in=0.8, learning_rate=0.01),
    "deep ensemble": DeepEnsemble(3),
    "snapshots": SnapshotEnsemble(4),
}
SETTINGS = FitSettings(epochs=20, batch=10, optimization=Optimization("sgd", 0.05), checkpoint_seconds=0)


@dataclass(frozen=True)
class Known(Likelihood):
    """A regression whose noise is known to be one half."""

    def nll(self, outputs, targets, log_noise):
        return super().nll(outputs, targets, torch.full((1,), 0.5).log())


def examples(count=33):
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    return Examples(inputs, (inputs[:, 0] > 0).long())


def network(seed=0):
    torch.manual_seed(seed)
    layers = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)
    return trace(nn.Sequential(*layers), (4,), train=True)


def run(method, **changed):
    given = {"network": network(), "likelihood": CLASSES, "examples": examples(), "settings": SETTINGS}
    fitted = fit(**{**given, "inference": method, **changed})
    assert isinstance(fitted.posterior, Samples)
    return fitted


@pytest.fixture(params=METHODS.values(), ids=METHODS.keys())
def method(request):
    return request.param


@cache
def usual(method):
    """A run as it is, made once: nothing here changes what it gives."""
    return run(method)


def regression(count=20):
    """A linear regression with a known noise, its exact posterior (Bishop 2006, eq. 3.50) and its network."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 2, generator=generator) @ torch.tensor([[1.0, 0.6], [0.0, 0.8]])
    targets = inputs @ torch.tensor([[0.5], [-1.0]]) + 0.5 * torch.randn(count, 1, generator=generator)
    whole = torch.cat([inputs, torch.ones(count, 1)], 1).double()
    covariance = torch.linalg.inv(torch.eye(3) / 0.8**2 + whole.T @ whole / 0.25)
    mean = covariance @ whole.T @ targets.double()[:, 0] / 0.25
    return Examples(inputs, targets), (mean, covariance)


@pytest.mark.parametrize(("dynamics", "batch"), [("sghmc", 20), ("sgld", 20), ("sghmc", 10)])
def test_a_conjugate_linear_regression_has_its_exact_posterior(dynamics, batch):
    data, (mean, covariance) = regression()
    rate = 0.2 if batch == 20 else 0.05
    method = SgMcmc(dynamics, samples=1400, chains=1, burn_in=0.1, learning_rate=rate, prior=Normal(0.8))
    model = trace(nn.Linear(2, 1), (2,), train=True)
    settings = FitSettings(epochs=1600, batch=batch, compile=False)
    found = run(method, network=model, likelihood=Known("regression", 1), examples=data, settings=settings).posterior
    draws = torch.cat([found.weights["weight"][:, 0], found.weights["bias"]], 1).double()
    std = covariance.diagonal().sqrt()
    assert ((draws.mean(0) - mean).abs() < 0.2 * std).all()
    # minibatches of half of the data add noise of their own
    allowed = 0.2 if batch == 20 else 0.4
    assert ((draws.std(0) / std - 1).abs() < allowed).all()
    torch.testing.assert_close(torch.corrcoef(draws.T)[0, 1], covariance[0, 1] / (std[0] * std[1]), atol=0.15, rtol=0)


def test_there_are_as_many_samples_as_asked_for_and_all_differ(method):
    found = usual(method).posterior
    asked = method.samples if isinstance(method, SgMcmc) else method.members
    assert found.count == asked
    assert found.chains == method.chains
    assert len(torch.unique(found.weights["0.weight"].flatten(1), dim=0)) == asked


def test_draws_are_the_samples_whole_and_a_few_are_spread_over_them(method):
    found = usual(method).posterior
    drawn = found.sample(found.count, torch.Generator())
    assert set(drawn) == {*found.weights, *found.others}
    assert all(torch.equal(drawn[name], each) for name, each in found.weights.items())
    one = found.sample(1, torch.Generator())["0.weight"]
    assert torch.equal(one[0], found.weights["0.weight"][found.count // 2])
    with pytest.raises(
        RecipeError, match=f"{found.count + 1} samples are asked for; the posterior holds {found.count}"
    ):
        found.sample(found.count + 1, torch.Generator())


def test_marginals_are_the_moments_of_the_samples_and_the_centre_is_one_of_them(method):
    found = usual(method).posterior
    for name, marginal in found.marginals().items():
        torch.testing.assert_close(marginal.mean, found.weights[name].mean(0))
        torch.testing.assert_close(marginal.var, found.weights[name].var(0, correction=0))
    last = found.count // found.chains - 1
    centre = found.centre()
    assert all(torch.equal(centre[name], each[last]) for name, each in {**found.weights, **found.others}.items())
    assert set(centre) == set(network().names)


def test_each_sample_has_the_running_statistics_of_its_own_weights(method):
    data, found = examples(), usual(method).posterior
    for index in range(found.count):
        hidden = data.inputs @ found.weights["0.weight"][index].T + found.weights["0.bias"][index]
        mean, std = found.others["1.running_mean"][index], hidden.std(0)
        # minibatches of 10 of 33, of which the last 22 or so count
        assert ((mean - hidden.mean(0)).abs() < 0.25 * std).all()


def test_pruned_weights_are_zero_in_every_sample(method):
    mask = torch.ones(5, 4)
    mask[:, 2:] = 0
    found = run(method, masks={"0.weight": mask}).posterior
    assert not found.weights["0.weight"][:, :, 2:].any()
    assert found.weights["0.weight"][:, :, :2].all()


def test_chains_start_where_they_are_told_to():
    starts = [network(seed).params for seed in (3, 4)]
    still = FitSettings(epochs=1, batch=33, optimization=Optimization("sgd", 1e-9, momentum=0))
    found = run(DeepEnsemble(2), starts=starts, settings=still).posterior
    for index, start in enumerate(starts):
        torch.testing.assert_close(found.weights["0.weight"][index], start["0.weight"])
    with pytest.raises(RecipeError, match="there are 2 starts for 3 chain"):
        run(DeepEnsemble(3), starts=starts)
    with pytest.raises(RecipeError, match=r"there are 2 starts for 1 chain\(s\); each chain takes one"):
        fit(network(), Point(), CLASSES, examples(), SETTINGS, starts=starts)


def test_a_run_that_is_killed_in_its_second_chain_ends_the_same(method, tmp_path, monkeypatch):
    whole, save, path = usual(method), checkpoint.save, tmp_path / "run.checkpoint"
    at = (min(1, method.chains - 1), 37)

    def killed(where, state, fingerprint):
        save(where, state, fingerprint)
        if (state.chain, state.step) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(method, path=path)
    monkeypatch.setattr(checkpoint, "save", save)
    again = run(method, path=path)
    for name, each in {**whole.posterior.weights, **whole.posterior.others}.items():
        assert torch.equal(each, {**again.posterior.weights, **again.posterior.others}[name]), name
    timeless = [[{k: v for k, v in entry.items() if k != "seconds"} for entry in one.history] for one in (whole, again)]
    assert timeless[0] == timeless[1]
    assert [entry["epoch"] for entry in whole.history] == list(range(1, 20 * method.chains + 1))


def test_the_history_says_how_hot_the_dynamics_were():
    told = usual(METHODS["sghmc"]).history
    assert all(entry["kinetic_temperature"] > 0 for entry in told)
    assert "kinetic_temperature" not in usual(METHODS["deep ensemble"]).history[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"dynamics": "hmc"}, "dynamics is 'hmc'; it must be one of sghmc, sgld"),
        ({"samples": 30}, "samples is 30; it must be a multiple of 4"),
        ({"momentum": 0}, "momentum is 0; it must be a number above 0 and below 1"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be a positive number"),
        ({"prior": Normal}, "it must be a prior"),
        ({"chains": 0}, "chains is 0"),
    ],
)
def test_wrong_settings_are_refused(words, said):
    with pytest.raises(RecipeError, match=said):
        SgMcmc(**words)


def test_more_samples_than_steps_are_refused_before_any_step():
    with pytest.raises(RecipeError, match="cannot give 40 different samples a cycle"):
        run(SgMcmc(samples=40, chains=1), settings=dataclasses.replace(SETTINGS, epochs=2))
