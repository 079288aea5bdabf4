"""MC dropout: a draw is the network with units left out."""

import pytest
import torch
from torch import nn

from bitsback.errors import NetworkError
from bitsback.given.network import trace
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.mc_dropout import McDropout
from bitsback.posterior.point import Point

CLASSES = Likelihood("classification", 3)


def fitted(module, shape, method):
    generator = torch.Generator().manual_seed(0)
    data = Examples(torch.randn(40, *shape, generator=generator), torch.arange(40) % 3)
    settings = FitSettings(epochs=2, batch=20, compile=False)
    return fit(trace(module, shape, train=True), method, CLASSES, data, settings).posterior


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Dropout(0.3), nn.Linear(30, 3))


def images():
    torch.manual_seed(0)
    head = nn.Dropout2d(0.5), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 3)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Dropout2d(0.25), nn.Conv2d(8, 6, 3, 2), *head)


def answers(module, posterior, inputs, count=400):
    """Of so many draws, in evaluation."""
    network = trace(module, tuple(inputs.shape[1:]))
    draws = posterior.sample(count, torch.Generator().manual_seed(1))
    with torch.no_grad():
        return torch.stack([
            network({**posterior.fixed, **{name: each[index] for name, each in draws.items()}}, inputs)
            for index in range(count)
        ])


@pytest.mark.parametrize(("make", "shape"), [(mlp, (4,)), (images, (1, 6, 6))])
def test_draws_answer_as_the_network_does_with_its_dropout_at_work(make, shape):
    module, inputs = make(), torch.randn(3, *shape)
    posterior = fitted(module, shape, McDropout())
    found = answers(module, posterior, inputs)
    module.load_state_dict(posterior.centre())
    module.train()
    with torch.no_grad():
        right = torch.stack([module(inputs) for _ in range(4000)])
    std = right.std(0)
    assert ((found.mean(0) - right.mean(0)).abs() < 0.25 * std).all()
    assert ((found.std(0) / std - 1).abs() < 0.2).all()


def test_the_mean_of_the_draws_is_what_was_trained_and_the_spread_is_dropouts():
    posterior, trained = (fitted(mlp(), (4,), method).centre() for method in (McDropout(), Point()))
    assert all(torch.equal(posterior[name], trained[name]) for name in trained)
    posterior = fitted(mlp(), (4,), McDropout())
    assert posterior.dropout["3.weight"][1:] == (30, 0.3)
    draws = posterior.sample(4000, torch.Generator().manual_seed(0))
    gone = (draws["3.weight"] == 0).all(1).float().mean()
    assert float(gone) == pytest.approx(0.3, abs=0.02)
    marginal = posterior.marginals()["3.weight"]
    assert torch.equal(marginal.mean, trained["3.weight"])
    torch.testing.assert_close(draws["3.weight"].mean(0), marginal.mean, rtol=0.1, atol=0)
    torch.testing.assert_close(draws["3.weight"].var(0), marginal.var, rtol=0.15, atol=0)
    for name in ("0.weight", "0.bias", "3.bias"):
        assert all(torch.equal(each, trained[name]) for each in draws[name])
        assert not posterior.marginals()[name].var.any()


def test_weights_behind_one_dropout_lose_the_same_units():
    posterior = fitted(Forked(), (4,), McDropout())
    one, other = (posterior.dropout[f"{name}.weight"] for name in ("left", "right"))
    assert one == other
    draws = posterior.sample(50, torch.Generator())
    assert torch.equal(*((draws[f"{name}.weight"] == 0).all(1) for name in ("left", "right")))


class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout, self.left, self.right = nn.Dropout(0.5), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, inputs):
        inputs = self.dropout(inputs)
        return self.left(inputs) + self.right(inputs)


def test_the_same_seed_leaves_the_same_units_out():
    posterior = fitted(mlp(), (4,), McDropout())
    one, again, other = (posterior.sample(5, torch.Generator().manual_seed(seed))["3.weight"] for seed in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Linear(4, 3), "the network has no dropout"),
        (
            nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 3)),
            "units are left out before aten.tanh",
        ),
        (nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), "units are left out before output"),
        (nn.Sequential(nn.Dropout(1.0), nn.Linear(4, 3)), "a dropout leaves out all inputs of '1.weight'"),
    ],
)
def test_a_network_that_it_cannot_draw_from_is_refused(module, said):
    with pytest.raises(NetworkError, match=said):
        fitted(module, (4,), McDropout())


def test_a_convolution_in_groups_is_refused():
    module = nn.Sequential(nn.Dropout2d(0.5), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(NetworkError, match=r"dropout stands before '1.weight', a convolution in groups"):
        fitted(module, (4, 4, 4), McDropout())


class Widths(nn.Module):
    """One dropout before layers of two widths."""

    def __init__(self):
        super().__init__()
        self.dropout, self.each, self.all = nn.Dropout(0.5), nn.Linear(5, 3), nn.Linear(20, 3)

    def forward(self, inputs):
        inputs = self.dropout(inputs)
        return self.each(inputs).mean(1) + self.all(inputs.flatten(1))


def test_a_dropout_before_layers_of_two_widths_is_refused():
    with pytest.raises(NetworkError, match="and a layer of another width, which differ in units"):
        fitted(Widths(), (4, 5), McDropout())


def test_a_dropout_that_never_acts_is_none():
    class Silent(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, inputs):
            return self.layer(nn.functional.dropout(inputs, 0.5, training=False))

    with pytest.raises(NetworkError, match="the network has no dropout"):
        fitted(Silent(), (4,), McDropout())
