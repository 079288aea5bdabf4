"""Variances that need no number of their own for each weight are recognized by their values, whatever made them."""

from dataclasses import replace

import numpy as np

from bitsback.lower.run.native.halves import in_low_halves
from bitsback.lower.run.native.plan import Factored, Halves, Rank1, Weights

_SAME = 4e-7  # relative: a product of two float32 rounds once, and its sums are float64


def factored(weights: Weights) -> Weights:
    """A layer's weights with the squares of the means as a product, as `moments.bilinear.factored` takes them."""
    var = _rank1(np.zeros_like(weights.mean)) if weights.var is None else weights.var
    return replace(weights, var=Factored(var, _rank1(weights.mean**2))) if isinstance(var, Rank1) else weights


def compact(mean: np.ndarray, bias: np.ndarray, var: np.ndarray | None, bias_var: np.ndarray) -> Weights:
    """A layer's weights with as few numbers as say the same.

    In product form a layer reads half as many bytes, and the sum Σ e s of `product` is one for all outputs; in the low halves
    of the means it reads half as many bytes.

    Args:
        mean: `[O, KH, KW, I]`.
        bias: `[O]`.
        var: As the means, or None.
        bias_var: `[O]`.
    """
    if var is None:
        return Weights(mean, bias, None, bias_var)
    found = Halves() if in_low_halves(mean, var) else _product(var)
    return Weights(mean, bias, var if found is None else found, bias_var)


def _product(var: np.ndarray) -> Rank1 | None:
    """The product that variances are, if they are one."""
    found = _rank1(var)
    same = np.allclose(found.outputs.reshape(-1, 1, 1, 1) * found.inputs, var, rtol=_SAME, atol=0)
    return found if same else None


def _rank1(numbers: np.ndarray) -> Rank1:
    """The product with the sums of `[O, KH, KW, I]` over outputs and over inputs."""
    inputs, outputs = numbers.sum(0, dtype=np.float64), numbers.sum((1, 2, 3), dtype=np.float64)
    root = max(float(np.sqrt(outputs.sum())), np.finfo(np.float64).tiny)
    return Rank1((inputs / root).astype(np.float32), (outputs / root).astype(np.float32))
