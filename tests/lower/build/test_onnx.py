import contextlib
import dataclasses

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from bitsback.errors import ExportError
from bitsback.form import program as made
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.point import PointForm
from bitsback.form.program import Program, Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5, mlp
from bitsback.lower.build import onnx as build
from bitsback.lower.build.onnx import OUTPUTS, lower
from bitsback.lower.run.onnx import open_program
from tests.networks import Attention, normed, posterior_over, unsettle


class Colliding(nn.Module):
    """Calls its params, and the values between them, what the program's own inputs and outputs are called."""

    def __init__(self) -> None:
        super().__init__()
        self.total, self.knowledge = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(3))
        self.answers = nn.Linear(3, 3)

    def forward(self, mean: Tensor) -> Tensor:
        centred = mean - mean.mean(1, keepdim=True)
        return self.answers(torch.relu(nn.functional.linear(centred, self.total, self.knowledge)))


def program(make, shape, members=4, task="classification") -> Program:
    torch.manual_seed(0)
    network = trace(unsettle(make()).eval(), shape)
    normalization = Normalization((0.5,) * shape[0], (2.0,) * shape[0])
    targets = Normalization((100.0,) * 3, (10.0,) * 3) if task == "regression" else None
    units = Units(task, normalization, targets, torch.zeros(3 if targets else 0))
    posterior = posterior_over(network, std=0.3)
    return (
        EnsembleForm(members).program(network, posterior, units)
        if members > 1
        else PointForm().program(network, posterior, units)
    )


def raw(shape, count=16):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


CASES = {
    "lenet-5": (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12), 3, "classification"),
    "attention": (Attention, (5, 8), 3, "classification"),
    "norms, as a point": (normed, (4,), 1, "classification"),
    "collisions, regression": (Colliding, (4,), 3, "regression"),
}


@pytest.mark.parametrize(("make", "shape", "members", "task"), CASES.values(), ids=CASES.keys())
def test_the_engine_answers_as_pytorch_for_any_batch(make, shape, members, task):
    whole = program(make, shape, members, task)
    lowered = lower(whole, raw(shape))
    session = open_program(lowered.graph, lowered.weights)
    largest = 0.0
    for batch in (16, 1, 7):
        inputs = raw(shape, batch)
        expected = [value.numpy() for value in whole.module(torch.from_numpy(inputs))]
        found = session.run(inputs)
        for name, one, other in zip(OUTPUTS, found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4, err_msg=name)
        largest = largest or max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))
    assert lowered.difference == pytest.approx(largest, rel=1e-6)


def test_shares_without_points_are_numbers_where_the_network_is_sure():
    layer = nn.Linear(6, 4)
    with torch.no_grad():
        layer.weight.mul_(
            40
        )  # logits some dozens apart, whose smallest shares are below what a float32 sigmoid tells from 0
    network = trace(layer, (6,))
    units = Units("classification", Normalization((0.0,) * 6, (1.0,) * 6), None, torch.empty(0))
    sure = PropagatedForm(probabilities="mean_field").program(network, posterior_over(network), units)
    inputs = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
    assert lower(sure, inputs.numpy()).difference < 1e-5


@pytest.fixture(scope="module")
def small() -> Program:
    return program(lambda: mlp((4,), 3, hidden=(40,)), (4,))


@pytest.fixture(scope="module")
def exported(small):
    """What the exporter makes of it, asked for once; each call gives a copy."""
    text = build._export(small, (build.INPUT,), (*build.OUTPUTS, build.ANSWERS)).SerializeToString()
    return lambda *_: onnx.load_from_string(text)


def test_large_weights_are_outside_and_small_ones_inside_and_no_origin_is_told(small, exported, monkeypatch):
    monkeypatch.setattr(build, "_export", exported)
    lowered = lower(small, raw((4,)))
    model = onnx.load_from_string(lowered.graph)
    external = {t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
    assert external == set(lowered.weights)
    assert all(array.nbytes >= 256 for array in lowered.weights.values())
    assert all(len(t.raw_data) < 256 for t in model.graph.initializer)
    assert sum(array.size for array in lowered.weights.values()) >= 4 * (4 * 40 + 40)
    assert [each.name for each in model.graph.input] == ["input"]
    assert [each.name for each in model.graph.output] == list(OUTPUTS)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert b".py" not in lowered.graph
    assert len(lowered.graph) < 20_000


def test_a_graph_whose_spread_was_destroyed_is_refused(small, monkeypatch):
    forward = made._WithAnswers.forward

    def same_for_all(self, inputs):
        *outputs, answers = forward(self, inputs)
        return (*outputs, answers.mean(0, keepdim=True).expand(*answers.shape))

    monkeypatch.setattr(made._WithAnswers, "forward", same_for_all)
    lost = dataclasses.replace(small)  # which is exported anew
    with pytest.raises(ExportError, match=r"the spread over 4 members is 0 on average .* lost uncertainty"):
        lower(lost, raw((4,)))


def test_a_graph_that_lost_a_member_is_refused(small, exported, monkeypatch):
    monkeypatch.setattr(build, "_export", exported)
    answers = build._Answers.__call__
    monkeypatch.setattr(build._Answers, "__call__", lambda *given: answers(*given)[:-1])
    with pytest.raises(ExportError, match="the spread over 4 members"):
        lower(small, raw((4,)))


@pytest.mark.parametrize(("output", "change"), [(0, 0.01), (1, 0.01), (2, 0.01), (3, 0.01), (3, float("nan"))])
def test_a_graph_with_another_output_is_refused(small, exported, monkeypatch, output, change):
    opened = build.open_program

    class Changed:
        def __init__(self, *given):
            self.session = opened(*given)

        def run(self, inputs):
            values = list(self.session.run(inputs))
            values[output] = values[output] + change
            return values

    monkeypatch.setattr(build, "_export", exported)
    monkeypatch.setattr(build, "open_program", Changed)
    with pytest.raises(ExportError, match=f"ONNX Runtime's output '{OUTPUTS[output]}' differs from PyTorch's by up to"):
        lower(small, raw((4,)))


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(("share", "refused"), [(1e-2, True), (1e-6, False)])
def test_a_difference_counts_in_the_units_of_the_targets(monkeypatch, unit, share, refused):
    """Of targets around zero, so that the tolerance is not that of a large value."""
    targets = Normalization((0.0,) * 3, (unit,) * 3)
    network = trace(nn.Linear(4, 3), (4,))
    whole = PointForm().program(
        network,
        posterior_over(network),
        Units("regression", Normalization((0.0,) * 4, (1.0,) * 4), targets, torch.zeros(3)),
    )
    opened = build.open_program

    class Changed:
        def __init__(self, *given):
            self.session = opened(*given)

        def run(self, inputs):
            mean, *rest = self.session.run(inputs)
            return mean + share * unit, *rest

    monkeypatch.setattr(build, "open_program", Changed)
    with pytest.raises(ExportError, match="'mean' differs") if refused else contextlib.nullcontext():
        lower(whole, 0.01 * raw((4,)))


class WithoutForm(nn.Module):
    """Calls an operator that ONNX does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.special.bessel_j0(x))


def test_an_operator_without_an_onnx_form_is_refused_in_one_sentence():
    whole = program(WithoutForm, (4,), members=1)
    with pytest.raises(ExportError, match="the point form has no ONNX equivalent: ") as caught:
        lower(whole, raw((4,)))
    assert "\n" not in str(caught.value)
    assert "bessel" in str(caught.value)
