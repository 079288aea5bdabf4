"""What the stochastic form draws while it runs has the posterior's own moments."""

import numpy as np
import pytest
import torch
from torch import nn

from bitsback.compress.masks import prune
from bitsback.errors import RecipeError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.one_by_one import predict
from bitsback.form.program import Units
from bitsback.form.stochastic import StochasticForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import mlp
from bitsback.posterior.contract import Dropout
from bitsback.posterior.dropout_posterior import DropoutPosterior
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.samples import Samples
from tests.networks import Tied, normed, posterior_over, unsettle

DRAWS = 4000


class Tokens(nn.Module):
    """A linear layer over several positions."""

    def __init__(self):
        super().__init__()
        self.each, self.last = nn.Linear(3, 5), nn.Linear(20, 3)

    def forward(self, inputs):
        return self.last(torch.relu(self.each(inputs)).flatten(1))


class Folded(nn.Module):
    """A linear layer over positions that are folded into the batch, all of which are equal."""

    def __init__(self):
        super().__init__()
        self.each = nn.Linear(3, 3)

    def forward(self, inputs):
        positions = inputs.unsqueeze(1).expand(-1, 4, 3)
        return self.each(positions.reshape(-1, 3)).reshape(-1, 4, 3).mean(1)


class OverParam(nn.Module):
    """A linear layer whose input is a param and no datum."""

    def __init__(self):
        super().__init__()
        self.codes, self.maker = nn.Parameter(torch.randn(4, 5)), nn.Linear(5, 3)

    def forward(self, inputs):
        return inputs @ self.maker(self.codes)


def convolutions():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))


NETWORKS = {
    "mlp": (lambda: mlp((6,), 3, hidden=(8,)), (6,)),
    "norms": (normed, (4,)),
    "a tied weight": (Tied, (4,)),
    "positions": (Tokens, (4, 3)),
    "positions in the batch": (Folded, (3,)),
    "a layer over a param": (OverParam, (4,)),
    "convolutions": (convolutions, (1, 6, 6)),
}


def units(shape, task="regression"):
    targets = Normalization((1.0,) * 3, (2.0,) * 3) if task == "regression" else None
    noise = torch.zeros(3) if task == "regression" else torch.empty(0)
    return Units(task, Normalization((0.5,) * shape[0], (2.0,) * shape[0]), targets, noise)


def same_moments(one, other):
    """Of two sets of draws `[S, B, C]`: within 6 standard errors of a mean, and of a standard deviation of normals."""
    std = other.std(0)
    assert ((one.mean(0) - other.mean(0)).abs() < 6 * std * (2 / len(one)) ** 0.5).all()
    assert ((one.std(0) / std - 1).abs() < 6 * (1 / len(one)) ** 0.5).all()


@pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=NETWORKS)
def test_draws_in_the_graph_are_draws_of_the_weights(make, shape):
    torch.manual_seed(0)
    network = trace(unsettle(make()), shape)
    posterior, inputs = posterior_over(network, std=0.1), torch.randn(3, *shape)
    ours, right = (
        form.members(network, posterior, units(shape))(inputs) for form in (StochasticForm(DRAWS), EnsembleForm(DRAWS))
    )
    same_moments(ours, right)
    correlation = [torch.corrcoef(each.flatten(1).T)[:3, :3] for each in (ours, right)]
    torch.testing.assert_close(*correlation, rtol=0, atol=0.1)  # outputs of one input: 6 standard errors


@pytest.mark.parametrize("channels", [False, True])
def test_what_a_dropout_leaves_out_is_left_out_in_the_graph(channels):
    torch.manual_seed(0)
    module, shape = (convolutions(), (1, 6, 6)) if channels else (mlp((6,), 3, hidden=(8,)), (6,))
    network = trace(module, shape)
    values = {name: network.params[name].detach() for name in network.bayesian}
    name, of = ("4.weight", Dropout("d", 4, 0.25)) if channels else ("3.weight", Dropout("d", 8, 0.25))
    posterior = DropoutPosterior(values, {}, {name: of})
    inputs = torch.randn(3, *shape)
    ours = StochasticForm(DRAWS).members(network, posterior, units(shape))(inputs)
    same_moments(ours, EnsembleForm(DRAWS).members(network, posterior, units(shape))(inputs))
    assert StochasticForm().held(posterior)[name][0] is values[name]


def test_a_dropout_before_positions_in_the_batch_leaves_the_same_units_out_for_all_of_them():
    torch.manual_seed(0)
    network = trace(Folded(), (3,))
    values = {name: network.params[name].detach() for name in network.bayesian}
    posterior = DropoutPosterior(values, {}, {"each.weight": Dropout("d", 3, 0.5)})
    inputs, forms = torch.randn(3, 3), (StochasticForm(DRAWS), EnsembleForm(DRAWS))
    same_moments(*(form.members(network, posterior, units((3,)))(inputs) for form in forms))


def test_channels_before_a_convolution_are_left_out_whole():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 4), nn.Flatten())
    network = trace(module, (2, 6, 6))
    values = {name: network.params[name].detach() for name in network.bayesian}
    posterior = DropoutPosterior(values, {}, {"0.weight": Dropout("a", 2, 0.5), "2.weight": Dropout("b", 3, 0.25)})
    inputs = torch.randn(3, 2, 6, 6)
    forms = StochasticForm(DRAWS), EnsembleForm(DRAWS)
    same_moments(*(form.members(network, posterior, units((2, 6, 6)))(inputs) for form in forms))


def test_weights_behind_one_dropout_lose_the_same_units_in_the_graph():
    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, inputs):
            return self.left(inputs) - self.right(inputs)

    network = trace(Forked(), (4,))
    values = {name: torch.ones_like(network.params[name]) for name in network.bayesian}
    dropout = dict.fromkeys(("left.weight", "right.weight"), Dropout("d", 4, 0.5))
    answers = StochasticForm(50).members(network, DropoutPosterior(values, {}, dropout), units((4,)))(torch.randn(3, 4))
    assert not answers.any()


def test_it_holds_twice_the_weights_however_many_draws_there_are():
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    posterior = posterior_over(network)
    held = [StochasticForm(count).program(network, posterior, units((6,))).module.members for count in (2, 50)]
    sizes = [sum(each.numel() for each in members.buffers()) for members in held]
    weights = sum(network.params[name].numel() for name in network.bayesian)
    assert sizes == [2 * weights, 2 * weights]


def test_a_pruned_weight_is_zero_in_every_draw():
    torch.manual_seed(0)
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    mask = torch.ones(8, 6)
    mask[:, 2:] = 0
    posterior = prune(posterior_over(network), {"1.weight": mask})
    one = torch.randn(1, 6)
    other = torch.cat([one[:, :2], torch.randn(1, 4)], 1)
    ask = StochasticForm(30).members(network, posterior, units((6,)))
    torch.testing.assert_close(ask(one), ask(other))


def test_a_layer_without_weights_keeps_its_random_bias():
    torch.manual_seed(0)
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    posterior = prune(posterior_over(network), {"3.weight": torch.zeros(3, 8)})
    inputs, forms = torch.randn(3, 6), (StochasticForm(DRAWS), EnsembleForm(DRAWS))
    same_moments(*(form.members(network, posterior, units((6,)))(inputs) for form in forms))


def test_the_same_seed_draws_the_same_and_pytorchs_generator_is_left_as_it_was():
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    posterior, inputs = posterior_over(network), torch.randn(3, 6)
    state = torch.get_rng_state()
    one, again, other = (StochasticForm(5, seed).members(network, posterior, units((6,)))(inputs) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_program_draws_anew_in_each_call_and_on_average_says_what_many_members_say(task):
    torch.manual_seed(0)
    network, inputs = trace(mlp((6,), 3, hidden=(8,)), (6,)), torch.randn(5, 6)
    posterior = posterior_over(network, std=0.1)
    program = StochasticForm(DRAWS).program(network, posterior, units((6,), task))
    assert program.draws
    assert (program.form, program.members) == ("stochastic", DRAWS)
    run = program.exported.module()
    one, other = run(inputs), run(inputs)
    assert not torch.equal(one[0], other[0])
    many = predict(
        EnsembleForm(DRAWS).members(network, posterior, units((6,), task)), units((6,), task), inputs.numpy()
    )
    for got, right in zip(one[:4], many, strict=True):
        torch.testing.assert_close(got, right, rtol=0.15, atol=0.02)


@pytest.mark.parametrize(
    ("form", "make", "said"),
    [
        (StochasticForm(1), posterior_over, r"with 1 draw\(s\) is asked for; it needs at least 2"),
        (
            StochasticForm(),
            lambda network: Samples({"1.weight": torch.zeros(3, 8, 6)}, {}, {}),
            "the posterior is a list of 3 values, of which none is new; use the ensemble form",
        ),
        (
            StochasticForm(),
            lambda network: PointPosterior(dict(network.params), {}),
            "no weight is random; use the point form",
        ),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(form, make, said):
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    with pytest.raises(RecipeError, match=said):
        form.program(network, make(network), units((6,)))


def test_inputs_may_be_cut_anyhow():
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    found = predict(
        StochasticForm(3).members(network, posterior_over(network), units((6,))), units((6,)), np.ones((101, 6), "f")
    )
    assert len(found.mean) == 101
