"""An ensemble whose members are swapped in and out of the graph of one answers as the stacked one does."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from bitsback.errors import ArtifactError, ExportError, RecipeError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Units
from bitsback.form.swapped import evenly
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5, mlp
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.build.onnx import lower
from bitsback.lower.run.onnx import open_program
from bitsback.posterior.samples import Samples
from tests.networks import Tied, normed, posterior_over, unsettle


class Scaled(nn.Module):
    """A param that is one number."""

    def __init__(self):
        super().__init__()
        self.scale, self.last = nn.Parameter(torch.tensor(1.5)), nn.Linear(4, 3)

    def forward(self, inputs):
        return self.last(inputs) * self.scale


NETWORKS = {
    "one number": (Scaled, (4,)),
    "mlp": (lambda: mlp((6,), 3, hidden=(8,)), (6,)),
    "norms": (normed, (4,)),
    "a tied weight": (Tied, (4,)),
    "lenet-5": (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12)),
}


def units(shape, task="classification"):
    targets = Normalization((1.0,) * 3, (2.0,) * 3) if task == "regression" else None
    noise = torch.zeros(3) if task == "regression" else torch.empty(0)
    return Units(task, Normalization((0.5,) * shape[0], (2.0,) * shape[0]), targets, noise)


def made(make, shape, task="classification", count=5, **settings):
    torch.manual_seed(0)
    network = trace(unsettle(make()), shape)
    return EnsembleForm(count, **settings).program(network, posterior_over(network, std=0.1), units(shape, task))


def raw(shape, count=9):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


CASES = {
    **{name: (*given, "float32", "classification") for name, given in NETWORKS.items()},
    "lenet-5 of int8": (*NETWORKS["lenet-5"], "int8", "classification"),
    "regression": (*NETWORKS["norms"], "int8", "regression"),
}


@pytest.mark.parametrize(("make", "shape", "weights", "task"), CASES.values(), ids=CASES)
def test_it_answers_as_the_stacked_one(make, shape, weights, task):
    stacked, swapped = (
        made(make, shape, task, layout=layout, member_weights=weights) for layout in ("stacked", "swapped")
    )
    lowered = lower(swapped, raw(shape))
    found = open_program(lowered.graph, lowered.weights, mapped=swapped.swapped).run(raw(shape))
    for got, right in zip(found, stacked.module(torch.from_numpy(raw(shape))), strict=True):
        np.testing.assert_allclose(got, right.numpy(), rtol=1e-3, atol=1e-4)
    inside = {each.name for each in onnx.load_from_string(lowered.graph).graph.initializer}
    assert not inside & {*swapped.swapped}
    assert all(len(each) == 5 for each in swapped.swapped.values())


@pytest.mark.parametrize("asked", [1, 2, 4])
def test_the_first_members_alone_answer_as_an_ensemble_of_them(asked):
    program, inputs = made(*NETWORKS["mlp"], layout="swapped"), raw((6,))
    lowered = lower(program, inputs)
    whole = {name: each.numpy() for name, each in program.swapped.items()}
    some = {**lowered.weights, **{name: each[:asked] for name, each in whole.items()}}
    right = open_program(lowered.graph, some, mapped=whole).run(inputs)
    session = open_program(lowered.graph, lowered.weights, mapped=whole, members=asked)
    found = session.run(inputs)
    assert all(np.array_equal(*both) for both in zip(found, right, strict=True))
    if asked == 1:
        assert not found.knowledge.any()
    again = session.bound(inputs)
    again()
    assert all(np.array_equal(*both) for both in zip(again.outputs, right, strict=True))


def test_every_beginning_of_the_members_is_spread_over_all_of_them():
    assert evenly(8) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert evenly(1) == [0]
    for count in (2, 5, 12, 32):
        order = evenly(count)
        assert sorted(order) == list(range(count))
        assert order[0] == 0
        assert order[1] >= count // 2


def test_the_first_members_of_several_chains_come_from_each():
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    values = {name: torch.randn(8, *network.params[name].shape) for name in network.bayesian}
    program = EnsembleForm(8, layout="swapped").program(network, Samples(values, {}, {}, chains=4), units((6,)))
    first = program.swapped["member/1.bias"][:4]
    places = [next(i for i in range(8) if torch.equal(values["1.bias"][i], each)) for each in first]
    assert sorted(place // 2 for place in places) == [0, 1, 2, 3]


def test_what_does_not_fit_is_refused():
    program, inputs = made(*NETWORKS["mlp"], layout="swapped"), raw((6,))
    graph, weights, _ = lower(program, inputs)
    names = [*program.swapped]
    with pytest.raises(RecipeError, match="members is 6; it must be from 1 to 5"):
        open_program(graph, weights, mapped=names, members=6)
    with pytest.raises(
        ArtifactError, match=r"takes members' 'member/1.weight' of shape \[8, 6\], and the artifact's are of"
    ):
        open_program(graph, {**weights, "member/1.weight": np.zeros((5, 6, 8), np.float32)}, mapped=names)
    with pytest.raises(ArtifactError, match="the artifact's tensors are of 4, 5 members"):
        open_program(graph, {**weights, "member/1.weight": np.zeros((4, 8, 6), np.float32)}, mapped=names)
    with pytest.raises(ArtifactError, match=r"the program's inputs are .* they must be"):
        open_program(graph, {**weights, "more": np.zeros((5, 1), np.float32)}, mapped=[*names, "more"])
    with pytest.raises(ArtifactError, match="is to be given members' 'more', which the artifact does not hold"):
        open_program(graph, weights, mapped=[*names, "more"])
    with pytest.raises(ArtifactError, match="which its program does not ask for"):
        open_program(graph, weights, mapped=names[1:])
    with pytest.raises(ArtifactError, match="the program fails on an input of shape"):
        open_program(graph, {**weights, "member/1.weight": np.zeros((5, 8, 6))}, mapped=names).run(inputs)
    stacked = lower(made(*NETWORKS["mlp"]), inputs)
    with pytest.raises(RecipeError, match="asks all of its members at once"):
        open_program(stacked.graph, stacked.weights, members=2)
    with pytest.raises(ArtifactError, match="the program's inputs are"):
        open_program(stacked.graph, {**stacked.weights, "more": np.zeros((5, 1), np.float32)}, mapped=["more"])
    with pytest.raises(ExportError, match="an ensemble with swapped members has no native library"):
        plan_of(program)
    with pytest.raises(RecipeError, match="layout is 'piled'; it must be"):
        made(*NETWORKS["mlp"], layout="piled")
