from dataclasses import replace

import numpy as np
import torch

from bitsback.form.propagated import PropagatedForm
from bitsback.given.reference import REFERENCE
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.build.native.tying import tied
from bitsback.lower.run.native.library import Entry, open_library
from bitsback.lower.run.native.plan import Product, Rank1
from bitsback.lower.run.native.targets import runnable
from tests.lower.build.native.test_library import inputs_of, program


def answers(plan, inputs):
    return open_library(plan, build(plan, runnable()[0], [Entry(1), Entry(2)])).run(inputs)


def test_each_inputs_and_each_outputs_sum_stays():
    torch.manual_seed(0)
    plan = plan_of(program(REFERENCE["lenet-5"]((1, 28, 28), 10), (1, 28, 28), PropagatedForm()))
    for before, after in zip(plan.steps, tied(plan).steps, strict=True):
        if isinstance(before, Product):
            assert isinstance(after, Product)
            var, kept = before.weights.var, after.weights.var
            assert isinstance(var, np.ndarray)
            assert isinstance(kept, Rank1)
            product = kept.outputs[:, None, None, None] * kept.inputs
            np.testing.assert_allclose(product.sum(0), var.sum(0), rtol=1e-4)
            np.testing.assert_allclose(product.sum((1, 2, 3)), var.sum((1, 2, 3)), rtol=1e-4)


def spelled_out(plan):
    """The same variances, one number a weight."""
    changes = {}
    for index, step in enumerate(plan.steps):
        if isinstance(step, Product):
            kept = step.weights.var
            var = (kept.outputs[:, None, None, None] * kept.inputs).astype(np.float32)
            changes[index] = replace(step, weights=replace(step.weights, var=var))
    return plan.changed(changes)


def test_variances_that_are_products_answer_the_same_in_either_form():
    torch.manual_seed(0)
    for network, shape in ((REFERENCE["lenet-5"]((1, 28, 28), 10), (1, 28, 28)), (REFERENCE["mlp"]((9,), 3), (9,))):
        plan = tied(plan_of(program(network, shape, PropagatedForm(points=20))))
        inputs = inputs_of(shape, 3)
        for full, product in zip(answers(spelled_out(plan), inputs), answers(plan, inputs), strict=True):
            np.testing.assert_allclose(product, full, rtol=2e-5, atol=2e-6)
