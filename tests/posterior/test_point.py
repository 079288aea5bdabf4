import torch
from torch import nn

from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.posterior.inference import Batch
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.point import Point
from tests.networks import normed

CLASSES = Likelihood("classification", 3)
INPUTS, TARGETS = torch.randn(7, 4), torch.arange(7) % 3
BATCH = Batch(INPUTS, TARGETS, torch.empty(0), torch.tensor(100.0))


def test_its_loss_and_gradient_are_those_of_the_module():
    module = mlp((4,), 3, hidden=(5,))
    network = trace(module, (4,))
    objective = Point().objective(network, CLASSES, {})
    assert objective.noise_size(7) == 0
    variables = {name: value.requires_grad_() for name, value in objective.start().items()}
    loss = objective.loss(variables, {}, BATCH)
    loss.backward()
    expected = nn.functional.cross_entropy(module(INPUTS), TARGETS)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(variables[f"value/{name}"].grad, parameter.grad)
    assert objective.kl(variables, torch.Generator()) == 0


def test_a_mask_prunes_the_value_and_its_gradient():
    network = trace(mlp((4,), 3, hidden=(5,)), (4,))
    mask = (torch.arange(20).reshape(5, 4) % 2).float()
    objective = Point().objective(network, CLASSES, {"1.weight": mask})
    variables = {name: value.requires_grad_() for name, value in objective.start().items()}
    loss = objective.loss(variables, {}, BATCH)
    loss.backward()
    pruned = {**network.params, "1.weight": network.params["1.weight"] * mask}
    torch.testing.assert_close(loss, nn.functional.cross_entropy(network(pruned, INPUTS), TARGETS))
    assert (variables["value/1.weight"].grad[mask == 0] == 0).all()
    assert torch.equal(objective.posterior(variables, {}).values["1.weight"], pruned["1.weight"])


def test_norms_are_trained_and_fixed():
    network = trace(normed(), (4,), train=True)
    objective = Point().objective(network, CLASSES, {})
    assert set(objective.start()) == {f"value/{name}" for name in network.params} | {"log_noise"}
    posterior = objective.posterior(objective.start(), network.buffers)
    assert set(posterior.values) == set(network.bayesian)
    assert set(posterior.fixed) == set(network.deterministic) | set(network.buffers)


def test_dropout_is_the_networks_own():
    network = trace(mlp((4,), 3, hidden=(50,), dropout=0.5), (4,), train=True)
    objective = Point().objective(network, CLASSES, {})
    torch.manual_seed(0)
    first = objective.loss(objective.start(), {}, BATCH)
    assert objective.loss(objective.start(), {}, BATCH) != first
    torch.manual_seed(0)
    assert objective.loss(objective.start(), {}, BATCH) == first
