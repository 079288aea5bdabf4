"""The stacked graph against a plain loop over members, with the user's own module."""

import pytest
import torch
from torch import nn

from bitsback.compress.masks import prune
from bitsback.errors import ExportError, RecipeError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.outputs import classify
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5, mlp, resnet
from bitsback.posterior.point_posterior import PointPosterior
from tests.networks import Attention, Convolutions, Looked, Tied, Transposed, normed, posterior_over, unsettle

MEMBERS = 3
NETWORKS = {
    "mlp": (lambda: mlp((4,), 3, hidden=(5,), dropout=0.5), (4,)),
    "lenet-5": (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12)),
    "resnet-20": (lambda: resnet((3, 8, 8), 3, depth=20), (3, 8, 8)),
    "tied weights": (Tied, (4,)),
    "computed weight": (Transposed, (4,)),
    "batch norm and layer norm": (normed, (4,)),
    "attention": (Attention, (5, 8)),
    "convolutions and norms": (Convolutions, (2, 12, 12)),
    "embedding": (Looked, (3,)),
}


def units(shape, std=2.0):
    return Units("classification", Normalization((0.5,) * shape[0], (std,) * shape[0]), None, torch.empty(0))


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=NETWORKS.keys())
def test_members_answer_as_the_users_module_with_their_weights(make, shape):
    torch.manual_seed(0)
    module = unsettle(make()).eval()
    network = trace(module, shape)
    posterior = posterior_over(network)
    program = EnsembleForm(MEMBERS).program(network, posterior, units(shape))
    draws = posterior.sample(MEMBERS, generator())
    run = program.exported.module()
    for batch in (1, 4, 7):
        inputs = torch.randn(batch, *shape)
        answers = [
            torch.func.functional_call(
                module, {**posterior.fixed, **{name: draw[i] for name, draw in draws.items()}}, ((inputs - 0.5) / 2,)
            )
            for i in range(MEMBERS)
        ]
        logs = torch.log_softmax(torch.stack(answers), -1)
        torch.testing.assert_close(program.module.answers(inputs), logs, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(run(inputs)[:4], tuple(classify(logs)), rtol=1e-4, atol=1e-5)
    assert logs.std(0).max() > 0.01  # the members do differ


def test_a_pruned_weight_is_zero_in_every_member():
    network = trace(mlp((4,), 3, hidden=(5,)), (4,))
    mask = (torch.arange(20).reshape(5, 4) % 2).float()
    program = EnsembleForm(MEMBERS).program(network, prune(posterior_over(network), {"1.weight": mask}), units((4,)))
    weights = dict(program.exported.named_buffers())["program.members.drawn__1__weight"]
    assert weights.shape == (MEMBERS, 5, 4)
    assert ((weights != 0) == (mask == 1)).all()


def test_what_differs_in_no_member_is_stored_once():
    network = trace(normed(), (4,), deterministic=("0.*",))
    program = EnsembleForm(MEMBERS).program(network, posterior_over(network), units((4,)))
    shapes = {
        name.removeprefix("program.members."): list(tensor.shape) for name, tensor in program.exported.named_buffers()
    }
    assert shapes["shared__0__weight"] == [5, 4]
    assert shapes["drawn__4__weight"] == [MEMBERS, 3, 5]


def test_a_points_members_are_all_alike():
    network = trace(mlp((4,), 3, hidden=(5,)), (4,))
    posterior = PointPosterior({name: network.params[name] for name in network.bayesian}, {})
    outputs = EnsembleForm(MEMBERS).program(network, posterior, units((4,))).module(torch.randn(4, 4))
    assert (outputs[3] < 1e-6).all()


@pytest.mark.parametrize("members", [1, 0, -3])
def test_fewer_than_two_members_are_refused(members):
    network = trace(mlp((4,), 3, hidden=()), (4,))
    with pytest.raises(RecipeError, match=f"ensemble of {members} member"):
        EnsembleForm(members).program(network, posterior_over(network), units((4,)))


def test_a_posterior_without_a_random_weight_is_refused():
    network = trace(mlp((4,), 3, hidden=()), (4,), deterministic=("*",))
    with pytest.raises(RecipeError, match="no weight is random; use the point form"):
        EnsembleForm(3).program(network, posterior_over(network), units((4,)))


def enlarged():
    """Enlarges images in a way for which there is no rule."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Upsample(scale_factor=2, mode="bicubic"), nn.Flatten(), nn.Linear(48, 3)
    )


REFUSED = [
    (enlarged, (1, 4, 4), "aten.upsample_bicubic2d.vec cannot be mapped over ensemble members"),
]


@pytest.mark.parametrize(("make", "shape", "said"), REFUSED)
def test_an_operator_that_cannot_be_mapped_is_named(make, shape, said):
    network = trace(make(), shape)
    program = EnsembleForm(3).program(network, posterior_over(network), units(shape))
    with pytest.raises(ExportError, match=f"the operator {said} .*needs no mapping"):
        _ = program.exported
