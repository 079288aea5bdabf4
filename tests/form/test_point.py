import pytest
import torch

from bitsback.form.point import PointForm
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5, mlp
from bitsback.posterior.point_posterior import PointPosterior
from tests.networks import normed, posterior_over, unsettle


def standardized(inputs, normalization):
    shape = (1, -1) + (1,) * (inputs.ndim - 2)
    return (inputs - torch.tensor(normalization.mean).reshape(shape)) / torch.tensor(normalization.std).reshape(shape)


@pytest.mark.parametrize(
    ("make", "shape", "normalization"),
    [
        (
            lambda: mlp((4,), 3, hidden=(5,), dropout=0.5),
            (4,),
            Normalization((1.0, -2.0, 0.0, 30.0), (1.0, 3.0, 0.5, 10.0)),
        ),
        (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12), Normalization((33.0,), (77.0,))),
        (normed, (4,), Normalization((0.0,) * 4, (1.0,) * 4)),
    ],
)
def test_it_is_the_users_module_at_the_mean_on_raw_inputs(make, shape, normalization):
    module = unsettle(make()).eval()
    network = trace(module, shape)
    units = Units("classification", normalization, None, torch.empty(0))
    program = PointForm().program(network, posterior_over(network), units)
    assert (program.form, program.members, program.input_shape) == ("point", 1, shape)
    for batch in (1, 4, 7):
        inputs = 50 * torch.randn(batch, *shape)
        expected = torch.softmax(module(standardized(inputs, normalization)), -1)
        mean, total, data, knowledge, _ = program.exported.module()(inputs)
        torch.testing.assert_close(mean, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(total, -torch.xlogy(expected, expected).sum(-1), rtol=1e-3, atol=1e-4)
        assert torch.equal(total, data)
        assert (knowledge == 0).all()


def test_regression_is_in_the_targets_units():
    module = mlp((4,), 2, hidden=(5,)).eval()
    network = trace(module, (4,))
    inputs_are, targets_are = Normalization((1.0,) * 4, (2.0,) * 4), Normalization((10.0, -5.0), (3.0, 0.1))
    units = Units("regression", inputs_are, targets_are, torch.tensor([-1.0, 0.5]))
    values = {name: network.params[name] for name in network.bayesian}
    program = PointForm().program(network, PointPosterior(values, {}), units)
    inputs = torch.randn(4, 4)
    mean, total, data, knowledge, _ = program.exported.module()(inputs)
    expected = module(standardized(inputs, inputs_are)) * torch.tensor([3.0, 0.1]) + torch.tensor([10.0, -5.0])
    torch.testing.assert_close(mean, expected)
    noise = (torch.exp(torch.tensor([-1.0, 0.5])) * torch.tensor([3.0, 0.1])).square().sum()
    torch.testing.assert_close(data, noise.expand(4))
    assert torch.equal(total, data)
    assert (knowledge == 0).all()


def test_later_changes_of_the_posterior_do_not_reach_the_program():
    network = trace(mlp((4,), 3, hidden=(5,)), (4,))
    posterior = posterior_over(network)
    program = PointForm().program(
        network, posterior, Units("classification", Normalization((0.0,) * 4, (1.0,) * 4), None, torch.empty(0))
    )
    inputs = torch.randn(4, 4)
    before = program.exported.module()(inputs)[0].clone()
    for value in posterior.means.values():
        value.zero_()
    assert torch.equal(program.exported.module()(inputs)[0], before)
