"""Operators that multiply inputs by weights and sum: dense layers, convolutions, products, attention's matrix products.

For independent x and w, and any sum of products `f`, with E[x²] = mean² + var,

    mean = f(E x, E w),   var = f(E[x²], var w) + f(var x, (E w)²)

Every term of the variance is non-negative, so that nothing cancels; the textbook form E[x²] E[w²] − (E x)² (E w)² does.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitsback.moments.gaussian import Value, mean_of, raw2
from bitsback.posterior.contract import Gaussian


def affine(
    operator: Callable[..., Tensor], inputs: Value, weight: Value, bias: Value | None = None, *rest: Any
) -> Gaussian:
    """`operator(inputs, weight, bias, *rest)`: a dense layer or a convolution (zero padding has mean and variance 0)."""
    mean = operator(mean_of(inputs), mean_of(weight), None if bias is None else mean_of(bias), *rest)
    bias_var = bias.var if isinstance(bias, Gaussian) else None
    terms: list[Tensor] = []
    if isinstance(weight, Gaussian):
        terms.append(operator(raw2(inputs), weight.var, bias_var, *rest))
        bias_var = None
    if isinstance(inputs, Gaussian):
        terms.append(operator(inputs.var, mean_of(weight).square(), bias_var, *rest))
        bias_var = None
    if not terms:  # only the bias is random
        unit = torch.zeros_like(mean_of(inputs))
        terms.append(operator(unit, mean_of(weight), bias_var, *rest))
    return Gaussian(mean, sum(terms[1:], terms[0]))


def factored(
    operator: Callable[..., Tensor], inputs: Value, weight: Value, bias: Value | None = None, *rest: Any
) -> Gaussian:
    """A convolution that takes the squares of its mean weights for a product of a factor per input and one per output.

    (E w)² ≈ o ⊗ i with the same sums over outputs and over inputs, so that f(var x, (E w)²) is one sum for all outputs. With
    groups, and where no input is random, it is `affine`.
    """
    if not isinstance(inputs, Gaussian) or (len(rest) > 3 and rest[3] != 1):
        return affine(operator, inputs, weight, bias, *rest)
    mean, var = affine(operator, inputs.mean, weight, bias, *rest)
    if isinstance(weight, Gaussian):
        var = var + operator(inputs.var, weight.var, None, *rest)
    squares = mean_of(weight).square()
    across, total = squares.flatten(1).sum(1), squares.sum().clamp_min(torch.finfo(squares.dtype).tiny)
    passed = operator(inputs.var, squares.sum(0, keepdim=True), None, *rest)
    return Gaussian(mean, var + passed * (across / total).reshape(-1, *(1,) * (passed.ndim - 2)))


def product(operator: Callable[..., Tensor], left: Value, right: Value) -> Gaussian:
    """A product of two values that are summed over or not: `mul`, `matmul`, `bmm`."""
    mean = operator(mean_of(left), mean_of(right))
    terms = []
    if isinstance(right, Gaussian):
        terms.append(operator(raw2(left), right.var))
    if isinstance(left, Gaussian):
        terms.append(operator(left.var, mean_of(right).square()))
    return Gaussian(mean, sum(terms[1:], terms[0]))


def square(value: Gaussian) -> Gaussian:
    """X · x of one and the same normal: mean² + var, and 2 var² + 4 mean² var."""
    mean, var = value
    return Gaussian(mean.square() + var, 2 * var.square() + 4 * mean.square() * var)


def embedding(weight: Gaussian, indices: Tensor, *rest: Any) -> Gaussian:
    """Rows of a random table."""
    look_up = torch.ops.aten.embedding.default
    return Gaussian(look_up(weight.mean, indices, *rest), look_up(weight.var, indices, *rest))
