import pytest
import torch
from torch import nn

from bitsback.given.network import trace
from bitsback.given.reference import lenet_5, mlp
from bitsback.posterior.local_reparametrization import LocalReparametrization, reparametrizable
from tests.networks import Attention, Tied, Transposed, normed, posterior_over, unsettle

DRAWS = 20_000


def close_moments(found, expected, sigmas=5.0):
    """Whether two samples [N, ...] have the same mean and variance, as far as N draws can tell."""
    for one, other in ((found, expected), (found.square(), expected.square())):
        error = torch.sqrt((one.var(0) + other.var(0)) / len(one))
        assert ((one.mean(0) - other.mean(0)).abs() <= sigmas * error + 1e-6).all()


def local_draws(network, posterior, datum, seed=1):
    """Outputs for one datum, drawn independently for each row of a batch that repeats it."""
    local = LocalReparametrization(network, reparametrizable(network))
    marginals = posterior.marginals()
    values = {name: value for name, value in posterior.fixed.items() if name not in marginals}
    noise = torch.randn(local.noise_size(DRAWS), generator=torch.Generator().manual_seed(seed))
    chosen = {name: marginals[name] for name in local.names}
    return local(values, chosen, noise, datum.expand(DRAWS, *datum.shape))


def weight_draws(network, posterior, datum, seed=2):
    draws = posterior.sample(DRAWS, torch.Generator().manual_seed(seed))

    def answer(drawn):
        return network({**posterior.fixed, **drawn}, datum.unsqueeze(0))[0]

    return torch.func.vmap(answer)(draws)


def test_two_dense_layers_answer_as_with_drawn_weights():
    network = trace(mlp((3,), 2, hidden=(6,)), (3,))
    posterior, datum = posterior_over(network, std=0.4), torch.tensor([0.5, -1.0, 2.0])
    found, expected = local_draws(network, posterior, datum), weight_draws(network, posterior, datum)
    close_moments(found, expected)
    close_moments(found[:, 0] * found[:, 1], expected[:, 0] * expected[:, 1])


def test_each_position_of_a_convolution_has_the_mean_and_variance_of_drawn_weights():
    module = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1, groups=1), nn.Flatten())
    network = trace(module, (2, 4, 5))
    posterior, datum = (
        posterior_over(network, std=0.3),
        torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(3)),
    )
    close_moments(local_draws(network, posterior, datum), weight_draws(network, posterior, datum))


@pytest.mark.parametrize("make", [lambda: mlp((4,), 3, hidden=(5,)), normed])
def test_without_noise_it_is_the_network_at_the_mean(make):
    network = trace(unsettle(make()), (4,))
    posterior, inputs = posterior_over(network), torch.randn(7, 4)
    local = LocalReparametrization(network, reparametrizable(network))
    values = {name: value for name, value in posterior.fixed.items() if name not in local.names}
    found = local(values, posterior.marginals(), torch.zeros(local.noise_size(7)), inputs)
    torch.testing.assert_close(found, network(posterior.centre(), inputs))


def test_the_noise_is_one_number_for_each_pre_activation():
    flat = trace(mlp((4,), 3, hidden=(5, 6)), (4,))
    local = LocalReparametrization(flat, reparametrizable(flat))
    assert [local.noise_size(batch) for batch in (1, 2, 7)] == [14, 28, 98]
    images = trace(lenet_5((1, 12, 12), 3), (1, 12, 12))
    sizes = 6 * 12 * 12 + 16 * 2 * 2 + 120 + 84 + 3
    assert LocalReparametrization(images, reparametrizable(images)).noise_size(4) == 4 * sizes
    only_last = ("5.weight", "5.bias")
    assert LocalReparametrization(flat, only_last).noise_size(2) == 6


def test_a_weight_used_twice_is_left_alone():
    assert reparametrizable(trace(Tied(), (4,))) == ("last.weight", "last.bias")


def test_a_layer_whose_weight_is_computed_is_left_alone_with_its_bias():
    assert reparametrizable(trace(Transposed(), (4,))) == ("last.weight", "last.bias")


def test_a_layer_with_a_part_kept_as_a_point_is_left_alone():
    network = trace(mlp((4,), 3, hidden=(5,)), (4,), deterministic=("1.bias",))
    assert reparametrizable(network) == ("3.weight", "3.bias")


def test_norms_and_free_params_are_left_alone():
    assert reparametrizable(trace(normed(), (4,))) == ("0.weight", "0.bias", "4.weight", "4.bias")
    names = reparametrizable(trace(Attention(), (5, 8)))
    assert "head.weight" in names
    assert not {"token", "position"}.intersection(names)


def test_the_network_itself_is_not_changed():
    network = trace(mlp((4,), 3, hidden=(5,)), (4,))
    before = network.graph.code
    LocalReparametrization(network, reparametrizable(network))
    assert network.graph.code == before


def test_inputs_that_are_all_zero_have_finite_gradients():
    network = trace(nn.Linear(4, 3, bias=False), (4,))
    local = LocalReparametrization(network, ("weight",))
    marginals = {n: m._replace(var=m.var.requires_grad_()) for n, m in posterior_over(network).marginals().items()}
    outputs = local({}, marginals, torch.randn(local.noise_size(2)), torch.zeros(2, 4))
    (gradient,) = torch.autograd.grad(outputs.sum(), marginals["weight"].var)
    assert gradient.isfinite().all()
