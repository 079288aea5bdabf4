"""One pass against draws of the whole network."""

import pytest
import torch
from torch import nn

from bitsback.errors import ExportError, RecipeError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import mlp
from bitsback.moments.calibration import calibration
from bitsback.moments.check import propagate
from bitsback.moments.interpret import GaussianInterpreter
from bitsback.moments.own import own_rules
from bitsback.moments.quadrature import smooth
from bitsback.moments.rules import rules
from bitsback.posterior.contract import Gaussian
from tests.networks import posterior_over

CLASSES = Units("classification", Normalization((0.0,) * 6, (1.0,) * 6), None, torch.empty(0))
NUMBERS = Units("regression", CLASSES.inputs, Normalization((1.0, 2.0), (2.0, 0.5)), torch.tensor([-1.0, 0.0]))


def network(outputs):
    torch.manual_seed(0)
    return trace(mlp((6,), outputs, hidden=(40, 40)), (6,))


@pytest.mark.parametrize("probabilities", ["points", "mean_field"])
def test_it_says_what_many_draws_say(probabilities):
    traced = network(4)
    posterior = posterior_over(traced, std=0.05)
    inputs = torch.randn(16, 6)
    one, many = (
        form.program(traced, posterior, CLASSES).module(inputs)
        for form in (PropagatedForm(probabilities=probabilities), EnsembleForm(3000))
    )
    for got, right, allowed in zip(one, many, (0.004, 0.004, 0.006, 0.003), strict=True):
        torch.testing.assert_close(got, right, rtol=0, atol=allowed)


def test_a_regression_has_the_outputs_own_mean_and_variance():
    traced = network(2)
    posterior = posterior_over(traced, std=0.05)
    form, inputs = PropagatedForm(), torch.randn(5, 6)
    members = form.members(traced, posterior, NUMBERS)
    mean, var = members.outputs(inputs)
    found = form.program(traced, posterior, NUMBERS).module(inputs)
    torch.testing.assert_close(found[0], mean * torch.tensor([2.0, 0.5]) + torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(found[3], (var * torch.tensor([4.0, 0.25])).sum(-1))


class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 40), nn.Linear(40, 4)

    def forward(self, inputs):
        return self.last(torch.sin(torch.relu(self.first(inputs))))


def test_own_rules_come_before_the_librarys_and_are_in_the_program():
    torch.manual_seed(0)
    traced, inputs = trace(Wave(), (6,)), torch.randn(16, 6)
    posterior = posterior_over(traced, std=0.05)
    with pytest.raises(ExportError, match=r"sin\.default has no rule"):
        PropagatedForm().program(traced, posterior, CLASSES)
    sin, relu = torch.ops.aten.sin.default, torch.ops.aten.relu.default
    own = {sin: lambda value: smooth(torch.sin, value)}
    program = PropagatedForm(own=own_rules(own)).program(traced, posterior, CLASSES)
    many = EnsembleForm(3000).program(traced, posterior, CLASSES).module(inputs)
    for got, right in zip(program.exported.module()(inputs)[:4], many, strict=True):
        torch.testing.assert_close(got, right, rtol=0, atol=0.006)
    nothing = {relu: lambda value: Gaussian(value.mean * 0, value.var * 0)}
    silent = PropagatedForm(own=own_rules(own | nothing)).program(traced, posterior, CLASSES)
    torch.testing.assert_close(silent.module(inputs)[0][0], silent.module(inputs)[0][1])


@pytest.mark.parametrize("std", [float("nan"), float("inf")])
def test_a_variance_that_is_none_is_refused(std):
    traced = network(4)
    with pytest.raises(RecipeError, match=f"cannot be propagated: a variance of '1.weight' is {std}; it must be"):
        PropagatedForm().program(traced, posterior_over(traced, std=std), CLASSES)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(6, 2)

    def forward(self, inputs):
        return self.dense(inputs) + self.dense(inputs)


def test_factors_are_in_the_program():
    traced, inputs = trace(Twice(), (6,)), torch.randn(30, 6)
    posterior = posterior_over(traced)
    plain, scaled = PropagatedForm(), PropagatedForm(calibration=calibration(inputs, 4))
    assert scaled.said["calibrated_on"] == 30
    assert scaled.settings != PropagatedForm(calibration=calibration(inputs, 5)).settings
    many = EnsembleForm(2000).program(traced, posterior, NUMBERS).module(inputs)[3]
    off = [
        float((form.program(traced, posterior, NUMBERS).exported.module()(inputs)[3] / many).median() - 1)
        for form in (plain, scaled)
    ]
    assert off[0] == pytest.approx(-0.5, abs=0.05)  # one branch twice has four times its variance, and not two times
    assert off[1] == pytest.approx(0, abs=0.1)


def test_the_factors_of_the_members_are_by_node_of_their_network():
    traced, inputs = trace(Twice(), (6,)), torch.randn(30, 6)
    posterior = posterior_over(traced)
    assert PropagatedForm().members(traced, posterior, NUMBERS).factors == {}
    members = PropagatedForm(calibration=calibration(inputs, 4)).members(traced, posterior, NUMBERS)
    assert members.factors.keys() == {"linear", "linear_1", "add"}
    by_name = GaussianInterpreter(members.network.graph, rules(), lambda node, _: members.factors.get(node.name, 1.0))
    found = propagate(members.network, posterior, by_name, inputs)
    torch.testing.assert_close(list(found.values())[-1], members.outputs(inputs))


def test_without_points_the_program_holds_no_samples_and_its_figures_say_so():
    traced = network(4)
    form = PropagatedForm(probabilities="mean_field")
    assert form.members(traced, posterior_over(traced), CLASSES).points is None
    assert form.program(traced, posterior_over(traced), CLASSES).members == 1
    assert form.said == {"probabilities": "mean_field"}
    with pytest.raises(RecipeError, match="probabilities is 'exact'; it must be one of points, mean_field"):
        PropagatedForm(probabilities="exact").program(traced, posterior_over(traced), CLASSES)


@pytest.mark.parametrize("points", [8, 64])
def test_the_points_have_a_normals_mean_and_variance(points):
    traced = network(4)
    at = PropagatedForm(points).members(traced, posterior_over(traced), CLASSES).points
    assert at is not None
    assert at.shape == (points, 4)
    torch.testing.assert_close(at.mean(0), torch.zeros(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(at.square().mean(0), torch.ones(4))
