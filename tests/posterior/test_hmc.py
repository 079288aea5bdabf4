"""Hamiltonian Monte Carlo as a method that fits."""

import pytest
import torch
from torch import nn

from bitsback.errors import NetworkError, RecipeError
from bitsback.given.network import trace
from bitsback.posterior import checkpoint
from bitsback.posterior.fit import fit
from bitsback.posterior.hmc import Hmc
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.prior import Normal
from tests.posterior.test_sampled import CLASSES, Known, examples, regression

SETTINGS = FitSettings(epochs=20, batch=100, checkpoint_seconds=0)


def network(*more):
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Linear(4, 5), *more, nn.ReLU(), nn.Linear(5, 2)), (4,), train=True)


def test_a_conjugate_linear_regression_has_its_exact_posterior_however_the_data_are_cut():
    data, (mean, covariance) = regression()
    torch.manual_seed(0)
    model = trace(nn.Linear(2, 1), (2,), train=True)
    method = Hmc(samples=300, chains=1, leapfrog=3, prior=Normal(0.8))
    settings = FitSettings(epochs=218, batch=7)  # two trajectories an epoch
    found = fit(model, method, Known("regression", 1), data, settings).posterior
    draws = torch.cat([found.weights["weight"][:, 0], found.weights["bias"]], 1).double()
    std = covariance.diagonal().sqrt()
    assert ((draws.mean(0) - mean).abs() < 0.25 * std).all()
    assert ((draws.std(0) / std - 1).abs() < 0.2).all()


def test_a_run_that_is_killed_ends_the_same_and_says_how_often_it_accepted(tmp_path, monkeypatch):
    method, path = Hmc(samples=6, chains=2, leapfrog=5), tmp_path / "run.checkpoint"
    whole, save = fit(network(), method, CLASSES, examples(), SETTINGS), checkpoint.save

    def killed(where, state, fingerprint):
        save(where, state, fingerprint)
        if (state.chain, state.step) == (1, 11):
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), method, CLASSES, examples(), SETTINGS, path=path)
    monkeypatch.setattr(checkpoint, "save", save)
    again = fit(network(), method, CLASSES, examples(), SETTINGS, path=path)
    assert all(torch.equal(each, again.posterior.weights[name]) for name, each in whole.posterior.weights.items())
    assert whole.posterior.listing == (6, 2)
    assert 0 < whole.history[-1]["acceptance"] <= 1


@pytest.mark.parametrize(
    ("layer", "said"),
    [(nn.Dropout(0.5), "drops out at random"), (nn.BatchNorm1d(5), "carries running statistics along")],
)
def test_a_network_whose_answers_change_is_refused(layer, said):
    with pytest.raises(NetworkError, match=said):
        fit(network(layer), Hmc(), CLASSES, examples(), SETTINGS)


def test_wrong_settings_are_refused():
    for words, said in (
        ({"samples": 30}, "samples is 30; it must be a multiple of 4"),
        ({"leapfrog": 0}, "leapfrog is 0"),
        ({"step": -1.0}, "step is -1.0"),
        ({"acceptance": 1}, "acceptance is 1; it must be a number above 0 and below 1"),
        ({"burn_in": 1.0}, "burn_in is 1.0"),
        ({"prior": 3}, "it must be a prior"),
    ):
        with pytest.raises(RecipeError, match=said):
            Hmc(**words)
    with pytest.raises(RecipeError, match="temperature is 0; Hamiltonian"):
        fit(network(), Hmc(samples=4), CLASSES, examples(), FitSettings(epochs=20, temperature=0.0))
