"""What the outputs of a last layer have in common, against draws and against LAPACK."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.moments.correlated import CorrelatedInterpreter
from bitsback.moments.limits import MOST
from bitsback.moments.outputs import covariance, root
from bitsback.moments.rules import rules
from bitsback.posterior.contract import Gaussian
from tests.networks import posterior_over

CLASSES = Units("classification", Normalization((0.0,) * 6, (1.0,) * 6), None, torch.empty(0))


def test_it_is_the_covariance_of_draws():
    generator = torch.Generator().manual_seed(0)
    inputs = Gaussian(torch.randn(3, 12, generator=generator), torch.rand(3, 12, generator=generator))
    weight = Gaussian(torch.randn(4, 12, generator=generator), torch.rand(4, 12, generator=generator))
    x = inputs.mean + inputs.var.sqrt() * torch.randn(200_000, 3, 12, generator=generator)
    w = weight.mean + weight.var.sqrt() * torch.randn(200_000, 4, 12, generator=generator)
    drawn = torch.einsum("sbi,sci->bsc", x, w)
    apart = ~torch.eye(4, dtype=torch.bool)
    for found, outputs in zip(covariance(inputs, weight), drawn, strict=True):
        right = torch.cov(outputs.T)
        scale = right.diagonal().sqrt()
        # Of a covariance over N draws the standard error is at most the product of the deviations times sqrt(2 / N).
        assert ((found - right) / (scale[:, None] * scale))[apart].abs().max() < 4 * np.sqrt(2 / 200_000)


def test_the_root_is_choleskys():
    torch.manual_seed(0)
    inputs, weight, own = (
        torch.rand(5, 7, dtype=torch.float64),
        torch.randn(6, 7, dtype=torch.float64),
        torch.rand(5, 6),
    )
    shared = covariance(Gaussian(inputs, inputs), weight)
    whole = shared + torch.diag_embed(own.double())
    found = root(whole.diagonal(dim1=1, dim2=2), shared)
    torch.testing.assert_close(found.mT, torch.linalg.cholesky(whole), rtol=0, atol=1e-12)


@pytest.mark.parametrize("own", [0.0, 1e-30])
def test_outputs_that_follow_from_others_have_a_root_too(own):
    torch.manual_seed(0)
    inputs, weight = torch.rand(5, 2), torch.randn(6, 2)  # six outputs of two numbers
    weight[3] = 0
    shared = covariance(Gaussian(inputs, inputs), weight)
    found = root(shared.diagonal(dim1=1, dim2=2) + own, shared)
    assert found.isfinite().all()
    # What counts as nothing: a millionth of a variance, and with it at most a thousandth of a standard deviation.
    torch.testing.assert_close(found.mT @ found, shared, rtol=0, atol=1e-3 * float(shared.max()))


def network(outputs: int, last: type[nn.Module] | None = None):
    torch.manual_seed(1)
    layers = [nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, outputs)]
    return trace(nn.Sequential(*layers, *([last()] if last else [])), (6,))


@pytest.mark.parametrize(
    ("outputs", "last", "known"), [(4, None, True), (MOST, None, True), (MOST + 1, None, False), (4, nn.ReLU, False)]
)
def test_it_is_carried_where_the_last_layer_is_linear_and_not_too_wide(outputs, last, known):
    traced = network(outputs, last)
    members = PropagatedForm().members(traced, posterior_over(traced, std=0.1), CLASSES)
    members(torch.randn(2, 6))
    assert members.correlated == known


def test_it_is_not_carried_past_a_rule_of_ones_own_nor_where_nobody_asks():
    traced = network(4)
    linear, known = torch.ops.aten.linear.default, rules()

    def mine(*args):
        return known[linear](*args)

    own = {**known, linear: mine}
    for rule, asked, there in ((known, True, True), (own, True, False), (known, False, False)):
        interpreter = CorrelatedInterpreter(traced.graph, rule, outputs=asked)
        values = posterior_over(traced, std=0.1).marginals()
        interpreter.run(*(values[name] for name in traced.names), torch.randn(2, 6))
        assert (interpreter.covariance is not None) == there


def test_with_it_knowledge_is_closer_to_what_draws_say():
    """For small standard deviations, where logits are nearly normal; for large ones that they are not is what matters."""
    traced, inputs = network(4), 4 * torch.randn(200, 6)
    posterior = posterior_over(traced, std=0.05)
    right = EnsembleForm(3000).program(traced, posterior, CLASSES).module(inputs)[3]
    members = PropagatedForm(points=512).members(traced, posterior, CLASSES)
    together = members(inputs)
    mean, var = members.outputs(inputs)
    apart = mean + var.sqrt() * members.points.unsqueeze(1)

    def error(logits):
        shares = torch.softmax(logits, -1).numpy()
        knowledge = entropy(shares.mean(0), axis=-1) - entropy(shares, axis=-1).mean(0)
        return float(np.abs(knowledge - right.numpy()).mean())

    assert error(together) < 0.7 * error(apart)
