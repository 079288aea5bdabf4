"""One pass against draws of the whole network."""

import pytest
import torch

from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import mlp
from tests.networks import posterior_over

CLASSES = Units("classification", Normalization((0.0,) * 6, (1.0,) * 6), None, torch.empty(0))
NUMBERS = Units("regression", CLASSES.inputs, Normalization((1.0, 2.0), (2.0, 0.5)), torch.tensor([-1.0, 0.0]))


def network(outputs):
    torch.manual_seed(0)
    return trace(mlp((6,), outputs, hidden=(40, 40)), (6,))


def test_it_says_what_many_draws_say():
    traced = network(4)
    posterior = posterior_over(traced, std=0.05)
    inputs = torch.randn(16, 6)
    one, many = (
        form.program(traced, posterior, CLASSES).module(inputs) for form in (PropagatedForm(), EnsembleForm(3000))
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


@pytest.mark.parametrize("points", [8, 64])
def test_the_points_have_a_normals_mean_and_variance(points):
    traced = network(4)
    at = PropagatedForm(points).members(traced, posterior_over(traced), CLASSES).points
    assert at.shape == (points, 4)
    torch.testing.assert_close(at.mean(0), torch.zeros(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(at.square().mean(0), torch.ones(4))
