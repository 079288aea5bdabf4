"""A program that draws keeps its spread on the way to ONNX Runtime, or is refused."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from bitsback.errors import ExportError
from bitsback.form.program import Units
from bitsback.form.program import build as make_program
from bitsback.form.stochastic import StochasticForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5, mlp
from bitsback.lower.build import drawn
from bitsback.lower.build import onnx as build
from bitsback.lower.build.onnx import lower
from bitsback.lower.run.onnx import Outputs, open_program
from bitsback.posterior.contract import Dropout
from bitsback.posterior.dropout_posterior import DropoutPosterior
from tests.networks import posterior_over


def units(channels):
    return Units("classification", Normalization((0.5,) * channels, (2.0,) * channels), None, torch.empty(0))


def normals():
    torch.manual_seed(0)
    network = trace(mlp((6,), 3, hidden=(8,)), (6,))
    return StochasticForm(10).program(network, posterior_over(network, std=0.2), units(6))


def dropout(rate=0.5, hidden=8):
    torch.manual_seed(0)
    network = trace(mlp((6,), 3, hidden=(hidden,)), (6,))
    values = {name: network.params[name].detach() for name in network.bayesian}
    of = {"3.weight": Dropout("d", hidden, rate)}
    return StochasticForm(10).program(network, DropoutPosterior(values, {}, of), units(6))


def images(count=10):
    torch.manual_seed(0)
    network = trace(lenet_5((1, 12, 12), 3), (1, 12, 12))
    return StochasticForm(count).program(network, posterior_over(network, std=0.05), units(1))


def raw(program, count=30):
    return np.random.default_rng(0).normal(size=(count, *program.input_shape)).astype(np.float32)


@pytest.mark.parametrize("make", [normals, dropout, images])
def test_what_ships_draws_anew_in_each_call_and_the_same_for_one_seed(make):
    program = make()
    lowered = lower(program, raw(program))
    kinds = {node.op_type for node in onnx.load_from_string(lowered.graph).graph.node}
    assert kinds & {"RandomNormalLike", "RandomUniformLike", "RandomNormal", "RandomUniform"}
    assert not kinds & {"Dropout", "Bernoulli"}
    session, inputs = open_program(lowered.graph, lowered.weights, seed=5), raw(program, 7)
    one, other = session.run(inputs), session.run(inputs)
    assert not np.array_equal(one.mean, other.mean)
    again = open_program(lowered.graph, lowered.weights, seed=5)
    assert np.array_equal(again.run(inputs).mean, one.mean)
    assert np.array_equal(again.run(inputs).mean, other.mean)
    assert not np.array_equal(open_program(lowered.graph, lowered.weights, seed=6).run(inputs).mean, one.mean)
    assert (one.knowledge > 0).all()


@pytest.mark.parametrize(("rate", "hidden"), [(0.5, 4), (0.1, 16), (0.02, 100), (0.01, 20)])
def test_draws_of_which_many_are_alike_by_chance_are_not_refused(rate, hidden):
    program = dropout(rate, hidden)
    with torch.no_grad():
        one, *others = (
            np.stack([program.module.answers(torch.from_numpy(raw(program, 4))).numpy() for _ in range(40)])
            for _ in range(20)
        )
    for other in others:
        drawn.check_spread("PyTorch again", one, other)


def test_a_graph_takes_as_many_bytes_for_many_draws_as_for_few():
    few, many = (lower(images(count), raw(images())) for count in (2, 60))
    small, large = (len(each.graph) + sum(w.nbytes for w in each.weights.values()) for each in (few, many))
    assert large < 1.01 * small


def test_dropout_in_training_mode_is_refused_where_the_runtime_removes_it():
    """What users write by hand, and what silently answers the same in every call."""

    class ByHand(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 6))

        def forward(self, inputs):
            left = torch.dropout(inputs.expand(10, *inputs.shape), 0.5, train=True)
            return nn.functional.linear(left, self.weight)

    torch.manual_seed(0)
    program = make_program("by hand", ByHand(), 10, units(6), (6,), draws=True)
    with pytest.raises(ExportError, match="ONNX Runtime draws the same in each call, and PyTorch does not"):
        lower(program, raw(program))


@pytest.mark.parametrize("factor", [0.0, 0.7, 1.4])
def test_draws_that_are_alike_or_spread_otherwise_are_refused(factor):
    generator = np.random.default_rng(0)
    right, other = generator.normal(size=(2, 40, 10, 4, 3))
    drawn.check_spread("it", right, other)
    with pytest.raises(ExportError, match="lost uncertainty"):
        drawn.check_spread("it", right, factor * other)


def test_another_mean_is_refused():
    generator = np.random.default_rng(0)

    def calls(offset=0.0):
        return [
            Outputs(*(0.01 * generator.normal(size=(4, *more)) + offset for more in ((3,), (), (), ())))
            for _ in range(40)
        ]

    assert drawn.check_means("it", calls(), calls()) < 0.02
    with pytest.raises(ExportError, match=r"it's output 'mean' differs from PyTorch's by up to 0\.0"):
        drawn.check_means("it", calls(), calls(0.05))


def test_the_check_is_made_of_a_program_that_draws(monkeypatch):
    program, said = normals(), []
    monkeypatch.setattr(build.drawn, "check_spread", lambda engine, *draws: said.append((engine, draws[0].shape)))
    lower(program, raw(program))
    assert said == [("ONNX Runtime", (40, 10, 4, 3))]
