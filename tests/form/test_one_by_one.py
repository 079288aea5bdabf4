"""The plain loop against the exported programs, on raw inputs and in the user's units."""

import numpy as np
import pytest
import torch

from bitsback.form import one_by_one
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.one_by_one import asked, members_of, predict
from bitsback.form.point import PointForm
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import mlp
from tests.networks import normed, posterior_over, unsettle

COUNT = 3
CLASSES = Units("classification", Normalization((1.0,) * 4, (2.0,) * 4), None, torch.empty(0))
NUMBERS = Units(
    "regression",
    CLASSES.inputs,
    Normalization((10.0, -5.0, 0.0), (3.0, 0.1, 1.0)),
    torch.tensor([-1.0, 0.5, 0.0]),
)
CASES = [
    (lambda: mlp((4,), 3, hidden=(5,), dropout=0.5), CLASSES),
    (normed, CLASSES),
    (lambda: mlp((4,), 3, hidden=(5,)), NUMBERS),
]


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("make", "units"), CASES)
def test_it_answers_as_the_programs_do_however_the_inputs_are_cut(make, units, monkeypatch):
    monkeypatch.setattr(one_by_one, "_BATCH", 4)
    network = trace(unsettle(make()), (4,))
    posterior = posterior_over(network)
    inputs = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    drawn = members_of(posterior.fixed, posterior.sample(COUNT, generator()))
    cases = [
        ([posterior.centre()], PointForm().program(network, posterior, units)),
        (drawn, EnsembleForm(COUNT).program(network, posterior, units)),
    ]
    for tensors, program in cases:
        expected = program.exported.module()(torch.from_numpy(inputs))[:4]
        torch.testing.assert_close(
            tuple(predict(asked(network, tensors), units, inputs)), expected, rtol=1e-4, atol=1e-5
        )


def test_a_member_is_its_draw_beside_what_all_share():
    draws, fixed = {"a": torch.arange(6.0).reshape(3, 2)}, {"b": torch.ones(2)}
    found = members_of(fixed, draws)
    assert [each["a"].tolist() for each in found] == draws["a"].tolist()
    assert all(each["b"] is fixed["b"] for each in found)
