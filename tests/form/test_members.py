"""What is stored of members: close to what was drawn, zeros stay zeros, and the program computes with it."""

from typing import get_args, get_type_hints

import pytest
import torch

from bitsback.errors import RecipeError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.members import PRECISIONS, rounded, stored, unstored
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import lenet_5
from bitsback.recipe.form import Form
from tests.networks import posterior_over


def drawn(*shape):
    found = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    found[..., ::3] = 0
    return found


@pytest.mark.parametrize("most", [1, 3, 7, 31, 127])
def test_no_factor_that_is_tried_leaves_less_error(most):
    stack = drawn(4, 6, 5, 3)
    found = rounded(stack, most)
    assert found.numbers.dtype == torch.int8
    assert int(found.numbers.abs().max()) <= most
    errors = (found.stack.tensor - stack).square().sum((0, 2, 3))
    for shrink in (1.0, 0.8, 0.5):
        scale = (shrink * stack.abs().amax((0, 2, 3)) / most).reshape(1, -1, 1, 1)
        other = (torch.round(stack / scale).clamp(-most, most) * scale - stack).square().sum((0, 2, 3))
        assert (errors <= other * (1 + 1e-5)).all()


def test_what_is_zero_stays_zero_and_what_is_nothing_else_too():
    found = rounded(torch.stack([drawn(6, 5), torch.zeros(6, 5)]), 127)
    assert (found.numbers[:, :, ::3] == 0).all()
    assert (rounded(torch.zeros(2, 3, 4), 7).stack.tensor == 0).all()


def test_bits_are_those_that_are_named_and_vectors_have_eight():
    of = {"weight": drawn(3, 6, 5), "bias": drawn(3, 6), "norm": drawn(3, 6)}
    found = stored(of, ["weight", "bias"], "int3")
    assert int(found["weight"].numbers.abs().max()) == 3
    assert int(found["bias"].numbers.abs().max()) == 127
    assert unstored(found["norm"]).tensor is of["norm"]
    assert all(unstored(each).tensor is of[name] for name, each in stored(of, of, "float32").items())


def test_a_recipe_knows_the_same_names():
    assert get_args(get_type_hints(Form)["member_weights"]) == PRECISIONS


def test_bfloat16_is_the_nearest_there_is():
    of = {"weight": drawn(3, 6, 5), "norm": drawn(3, 6)}
    found = stored(of, ["weight"], "bfloat16")
    weight = unstored(found["weight"]).tensor
    assert torch.equal(weight, of["weight"].bfloat16().float())
    assert unstored(found["norm"]).tensor is of["norm"]


@pytest.mark.parametrize("how", ["bfloat16", "int8", "int2"])
def test_program_members_and_what_is_held_are_what_is_stored(how):
    torch.manual_seed(0)
    network = trace(lenet_5((1, 12, 12), 3), (1, 12, 12))
    posterior = posterior_over(network)
    units = Units("classification", Normalization((0.5,), (2.0,)), None, torch.empty(0))
    form = EnsembleForm(3, member_weights=how)
    inputs = torch.randn(5, 1, 12, 12)
    program = form.program(network, posterior, units)
    expected = form.members(network, posterior, units)((inputs - 0.5) / 2)
    torch.testing.assert_close(program.module.answers(inputs), torch.log_softmax(expected, -1), rtol=1e-4, atol=1e-5)
    held = form.held(posterior)
    assert all(torch.unique(each[0][0, 0]).numel() <= 255 for each in held.values())
    assert form.said == {"members": 3, "member_weights": how}


def test_an_unknown_way_to_store_is_refused():
    network = trace(lenet_5((1, 12, 12), 3), (1, 12, 12))
    with pytest.raises(RecipeError, match="member_weights is 'int5'; it must be one of float32, bfloat16, int8"):
        EnsembleForm(3, member_weights="int5").members(network, posterior_over(network), None)
