"""Every form through the same laws."""

import json

import numpy as np
import pytest
import torch

from bitsback.errors import RecipeError
from bitsback.form.contract import Form
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.one_by_one import predict
from bitsback.form.point import PointForm
from bitsback.form.program import Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5, mlp
from bitsback.posterior.point_posterior import PointPosterior
from tests.networks import posterior_over

FORMS: tuple[Form, ...] = (PointForm(), EnsembleForm(3), PropagatedForm(8), PropagatedForm(probabilities="mean_field"))
CLASSES = Units("classification", Normalization((0.5,), (2.0,)), None, torch.empty(0))
NUMBERS = Units("regression", CLASSES.inputs, Normalization((1.0,) * 3, (2.0,) * 3), torch.zeros(3))
NETWORKS = {
    "mlp": (lambda: mlp((1, 4, 3), 3, hidden=(5,)), (1, 4, 3)),
    "lenet": (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12)),
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("units", [CLASSES, NUMBERS], ids=lambda units: units.task)
@pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=NETWORKS)
def test_the_program_answers_as_its_members_do(form, units, make, shape):
    torch.manual_seed(0)
    network = trace(make(), shape)
    posterior = posterior_over(network)
    program = form.program(network, posterior, units)
    run = program.exported.module()
    for batch in (1, 5):
        inputs = np.random.default_rng(batch).normal(size=(batch, *shape)).astype(np.float32)
        expected = predict(form.members(network, posterior, units), units, inputs, form.reading)
        torch.testing.assert_close(run(torch.from_numpy(inputs))[:4], tuple(expected), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(expected.total, expected.data + expected.knowledge)
        assert bool((expected.knowledge >= 0).all())
    assert program.form == form.name


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_it_holds_every_random_param(form):
    network = trace(mlp((4,), 3, hidden=(5,)), (4,))
    held = form.held(posterior_over(network))
    assert set(held) == set(network.bayesian)
    for name, tensors in held.items():
        assert all(tensor.shape[-network.params[name].ndim :] == network.params[name].shape for tensor in tensors)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_settings_make_the_form(form):
    assert type(form)(**form.__dict__) == form
    assert hash(form) == hash(type(form)(**form.__dict__))
    assert json.loads(json.dumps(dict(form.settings))) == form.settings


@pytest.mark.parametrize("form", [EnsembleForm(1), PropagatedForm(1)], ids=lambda form: form.name)
def test_one_is_too_few(form):
    network = trace(mlp((4,), 3, hidden=()), (4,))
    with pytest.raises(RecipeError, match="at least 2"):
        form.program(network, posterior_over(network), CLASSES)


@pytest.mark.parametrize("form", FORMS[1:], ids=lambda form: form.name)
def test_where_nothing_is_random_the_point_form_is_named(form):
    network = trace(mlp((4,), 3, hidden=()), (4,))
    posterior = PointPosterior({}, network.params)
    with pytest.raises(RecipeError, match="no weight is random; use the point form"):
        form.program(network, posterior, CLASSES)
