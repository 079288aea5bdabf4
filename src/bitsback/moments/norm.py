"""Norms over Gaussians."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bitsback.errors import ExportError
from bitsback.posterior.contract import Gaussian


class BatchNorm(NamedTuple):
    """What PyTorch's batch norm takes after its input."""

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    training: bool
    momentum: float
    eps: float
    cudnn: bool


def batch_norm(value: Gaussian, norm: BatchNorm) -> Gaussian:
    """A batch norm in evaluation: a constant scale and shift per channel, folded into one product and one sum.

    Raises:
        ExportError: it takes the statistics of the batch.
    """
    if norm.training or norm.running_mean is None or norm.running_var is None:
        raise ExportError("a batch norm that takes the statistics of its batch has no rule over Gaussians")
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean * scale
    shift = shift if norm.bias is None else shift + norm.bias
    shape = (1, -1) + (1,) * (value.mean.ndim - 2)
    scale, shift = scale.reshape(shape), shift.reshape(shape)
    return Gaussian(value.mean * scale + shift, value.var * scale.square())


def layer_norm(
    value: Gaussian,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Gaussian:
    """A layer norm, as an approximation: the statistics of a sample are taken at their expected values.

    With n elements, centre c = mean_i E x_i and spread s² = mean_i (E[x_i²] − 2 c E x_i + c²), each element becomes
    (x_i − c) / √(s² + eps). What the random centre and spread would add is of order 1/n of the variance.
    """
    axes = tuple(range(-len(shape), 0))
    offset = value.mean - value.mean.mean(axes, keepdim=True)
    spread = (offset.square() + value.var).mean(axes, keepdim=True)
    scale = torch.rsqrt(spread + eps)
    scale = scale if weight is None else scale * weight
    mean = offset * scale
    return Gaussian(mean if bias is None else mean + bias, value.var * scale.square())
