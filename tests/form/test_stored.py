"""Laws of weights in fewer bytes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bitsback.form.stored import stored
from bitsback.lower.run.native.halves import in_low_halves
from bitsback.posterior.contract import Gaussian

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
VARIANCES = st.floats(0, 2.0**100, width=32)


class Given:
    """A posterior of one matrix and one bias."""

    def __init__(self, mean, var):
        self.fixed = {}
        self.mean, self.var = torch.from_numpy(mean), torch.from_numpy(var)

    def marginals(self):
        return {"weight": Gaussian(self.mean, self.var), "bias": Gaussian(self.mean[0], self.var[0])}

    def sample(self, count, generator):
        return {"weight": self.mean.expand(count, *self.mean.shape), "bias": self.mean[0].expand(count, -1)}


@given(arrays.arrays(np.float32, (3, 4), elements=FINITE), arrays.arrays(np.float32, (3, 4), elements=VARIANCES))
def test_in_halves_each_number_is_within_half_a_step_of_bfloat16(mean, var):
    found = stored(Given(mean, var), "bfloat16").marginals()["weight"]
    assert in_low_halves(found.mean.numpy(), found.var.numpy())
    step = 2.0**-7  # relative, of eight bits with the hidden one; half of it is the most that rounding moves
    least = float(np.float32(2.0**-126))  # below the smallest normal number nothing is promised but this
    assert (np.abs(found.mean.double().numpy() - mean) <= 0.5 * step * np.abs(mean.astype("f8")) + 2 * least).all()
    assert (np.abs(found.var.double().numpy() - var) <= 0.5 * step * var.astype("f8") + 2 * least).all()
    assert (found.var >= 0).all()
    assert not ((found.mean != 0) & (found.mean.abs() < least) & (found.var > 0)).any()


def test_what_is_pruned_stays_so():
    mean, var = np.float32([[0, 1]]), np.float32([[0, 0]])
    found = stored(Given(mean, var), "bfloat16").marginals()["weight"]
    assert found.mean.tolist() == [[0, 1]]
    assert found.var.tolist() == [[0, 0]]


def test_tied_variances_keep_the_sum_of_each_input_and_each_output():
    draw = np.random.default_rng(0)
    mean, var = draw.normal(size=(5, 7)).astype("f4"), draw.uniform(size=(5, 7)).astype("f4")
    found = stored(Given(mean, var), "tied").marginals()["weight"]
    assert torch.equal(found.mean, torch.from_numpy(mean))
    for axis in (0, 1):
        np.testing.assert_allclose(found.var.sum(axis), var.sum(axis), rtol=1e-5)
    assert np.linalg.matrix_rank(found.var.double().numpy(), tol=1e-5) == 1


@pytest.mark.parametrize("how", ["float32", "bfloat16", "tied"])
def test_biases_and_draws_are_left_alone(how):
    draw = np.random.default_rng(0)
    of = Given(draw.normal(size=(5, 7)).astype("f4"), draw.uniform(size=(5, 7)).astype("f4"))
    found = stored(of, how)
    assert torch.equal(found.marginals()["bias"].var, of.var[0])
    assert torch.equal(found.sample(2, torch.Generator())["weight"][1], of.mean)


def test_only_convolutions_are_factored():
    draw = np.random.default_rng(0)
    matrix = Given(draw.normal(size=(5, 7)).astype("f4"), draw.uniform(size=(5, 7)).astype("f4"))
    assert torch.equal(stored(matrix, "factored").marginals()["weight"].var, matrix.var)
    kernel = Given(draw.normal(size=(5, 2, 3, 3)).astype("f4"), draw.uniform(size=(5, 2, 3, 3)).astype("f4"))
    found = stored(kernel, "factored").marginals()["weight"].var
    assert np.linalg.matrix_rank(found.flatten(1).double().numpy(), tol=1e-5) == 1
    np.testing.assert_allclose(found.sum(0), kernel.var.sum(0), rtol=1e-5)
