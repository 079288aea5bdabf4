"""What the outputs of the last layer have in common: all of them are sums over the same random inputs.

With independent inputs of variance v and a layer of mean weights w, outputs c and d have the covariance Σ v w_c w_d, exactly;
noise of the weights themselves is no other output's. A softmax compares outputs, so that it matters to class probabilities,
and most to what is called knowledge. It costs a fraction of the layer for each class, and is left out above `limits.MOST`.
"""

import torch
from torch import Tensor

from bitsback.moments.gaussian import Value, mean_of
from bitsback.moments.limits import LEAST
from bitsback.posterior.contract import Gaussian

_TINY = 1e-30  # so that nothing divides by 0


def covariance(inputs: Gaussian, weight: Value) -> Tensor:
    """The covariances `[B, C, C]` of a linear layer's outputs that come from its inputs.

    Args:
        inputs: independent, `[B, I]`.
        weight: `[C, I]`.
    """
    mean = mean_of(weight)
    return (inputs.var.unsqueeze(-2) * mean) @ mean.T


def root(var: Tensor, shared: Tensor) -> Tensor:
    """Cholesky's factor of each covariance matrix, one row `[B, C, C]` for each column of it.

    It is written out, for no operator of ONNX has it. A column is zero where the outputs before say all of an output.

    Args:
        var: `[B, C]`.
        shared: `[B, C, C]`, whose diagonal is not read.
    """
    count = var.shape[-1]
    diagonal = torch.eye(count, dtype=var.dtype)
    left = shared * (1 - diagonal) + var.unsqueeze(-1) * diagonal
    rows, least = [], LEAST * var
    for each, bound in enumerate(least.split(1, -1)):
        row = left.select(1, each)
        pivot = row.narrow(-1, each, 1)
        row = row * torch.where(pivot > bound, torch.rsqrt(torch.maximum(pivot, bound) + _TINY), 0)
        left = left - row.unsqueeze(-1) * row.unsqueeze(-2)
        rows.append(row)
    return torch.stack(rows, 1)
