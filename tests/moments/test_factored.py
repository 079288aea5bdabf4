"""Convolutions whose squared means are a product: exact where they are one, and right on average where they are not."""

import pytest
import torch

from bitsback.moments.bilinear import affine, factored
from bitsback.posterior.contract import Gaussian

conv = torch.ops.aten.conv2d.default


def gaussian(*shape):
    return Gaussian(torch.randn(shape), torch.rand(shape))


def test_where_the_squares_are_a_product_it_is_exact():
    torch.manual_seed(0)
    signs = torch.randn(4, 3, 3, 3).sign()
    mean = signs * torch.rand(4, 1, 1, 1) * torch.rand(1, 3, 3, 3)
    weight, inputs, bias = Gaussian(mean, torch.rand(4, 3, 3, 3)), gaussian(2, 3, 6, 5), gaussian(4)
    for rest in ((), ([2, 1], [1, 1])):
        pairs = zip(factored(conv, inputs, weight, bias, *rest), affine(conv, inputs, weight, bias, *rest), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_the_sum_of_variances_over_outputs_stays():
    torch.manual_seed(0)
    inputs, weight = gaussian(2, 3, 6, 5), torch.randn(4, 3, 3, 3)
    found, right = factored(conv, inputs, weight), affine(conv, inputs, weight)
    torch.testing.assert_close(found.mean, right.mean)
    torch.testing.assert_close(found.var.sum(1), right.var.sum(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("random", [False, True])
def test_sure_inputs_and_groups_are_as_ever(random):
    torch.manual_seed(0)
    inputs = gaussian(1, 4, 5, 5) if random else torch.ones(1, 4, 5, 5)
    weight, rest = (gaussian(4, 1, 3, 3), ([1, 1], [0, 0], [1, 1], 4)) if random else (gaussian(4, 4, 3, 3), ())
    pairs = zip(factored(conv, inputs, weight, None, *rest), affine(conv, inputs, weight, None, *rest), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other)
