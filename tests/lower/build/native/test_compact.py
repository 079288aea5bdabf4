"""Weights in fewer bytes are recognized as such, and answer as the program that holds them one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bitsback.form.program import Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import REFERENCE
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.halves import low_halves
from bitsback.lower.run.native.library import Entry, open_library
from bitsback.lower.run.native.plan import Factored, Halves, Product, Rank1
from bitsback.lower.run.native.targets import runnable
from tests.lower.build.native.test_library import check, inputs_of, program
from tests.networks import posterior_over

KINDS = {"float32": np.ndarray, "bfloat16": Halves, "tied": Rank1}
MLP = (REFERENCE["mlp"]((9,), 3), (9,))
LENET = (REFERENCE["lenet-5"]((1, 28, 28), 10), (1, 28, 28))


def variances(weights):
    match weights.var:
        case Rank1(inputs=inputs, outputs=outputs):
            return (outputs[:, None, None, None] * inputs).astype(np.float32)
        case Halves():
            return low_halves(weights.mean)
        case var:
            return var


def spelled_out(plan):
    """The same variances, one number a weight."""
    changes = {}
    for index, step in enumerate(plan.steps):
        if isinstance(step, Product):
            changes[index] = replace(step, weights=replace(step.weights, var=variances(step.weights)))
    return plan.changed(changes)


@pytest.mark.parametrize("stored", KINDS)
def test_what_is_stored_in_fewer_bytes_is_recognized_and_answers_the_same(stored):
    torch.manual_seed(0)
    for network, shape in (MLP, LENET):
        plan = plan_of(program(network, shape, PropagatedForm(points=20, weights=stored)))
        products = [step for step in plan.steps if isinstance(step, Product)]
        assert all(isinstance(step.weights.var, KINDS[stored]) for step in products)
        inputs = inputs_of(shape, 3)
        one, other = (
            open_library(each, build(each, runnable()[0], entries)).run(inputs)
            for each, entries in ((plan, [Entry(1), Entry(2)]), (spelled_out(plan), [Entry(3)]))
        )
        for found, right in zip(one, other, strict=True):
            np.testing.assert_allclose(found, right, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("make", [LENET, MLP], ids=["lenet-5", "mlp"])
def test_factored_convolutions_answer_as_pytorch_has_them(make):
    torch.manual_seed(0)
    network, shape = make
    made = program(network, shape, PropagatedForm(points=20, weights="factored"))
    kinds = [type(step.weights.var) for step in plan_of(made).steps if isinstance(step, Product)]
    assert kinds == ([Rank1, Factored, *[np.ndarray] * 3] if shape == LENET[1] else [np.ndarray] * len(kinds))
    check(made, [Entry(1), Entry(2)], 3)


def test_a_convolution_of_points_takes_its_squares_for_a_product_too():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 2), torch.nn.Flatten()
    network = trace(torch.nn.Sequential(*layers, torch.nn.Linear(32, 3)), (1, 5, 5))
    whole = posterior_over(network)
    points = {name for name in whole.means if name.startswith("2.")}
    means, stds = ({name: each[name] for name in each if name not in points} for each in (whole.means, whole.stds))
    posterior = replace(whole, means=means, stds=stds, fixed=whole.fixed | {name: whole.means[name] for name in points})
    units = Units("classification", Normalization((0.3,), (0.7,)), None, torch.empty(0))
    made = PropagatedForm(points=20, weights="factored").program(network, posterior, units)
    kinds = [type(step.weights.var) for step in plan_of(made).steps if isinstance(step, Product)]
    assert kinds == [Rank1, Factored, np.ndarray]
    check(made, [Entry(2)], 3)


def test_a_norm_after_a_layer_keeps_a_product_and_takes_halves_apart():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 3)
    )
    torch.nn.init.uniform_(network[1].weight)
    for stored, kind in (("bfloat16", np.ndarray), ("tied", Rank1)):
        made = program(network, (1, 5, 5), PropagatedForm(points=20, weights=stored))
        plan = plan_of(made)
        first = next(step for step in plan.steps if isinstance(step, Product))
        assert isinstance(first.weights.var, kind)
        inputs = inputs_of((1, 5, 5), 3)
        right = [each.numpy() for each in made.module(torch.from_numpy(inputs))]
        found = open_library(plan, build(plan, runnable()[0], [Entry(3)])).run(inputs)
        for one, other in zip(found, right, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6)
