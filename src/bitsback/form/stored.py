"""Weights in fewer bytes, for a form that holds mean and variance of each.

What is lost is lost in the program itself: it is evaluated, exported and packed with what is stored. Only tensors of two axes
or more are changed; biases are few.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Gaussian, Listing, Posterior

Stored = Literal["float32", "bfloat16", "tied", "factored"]
_LEAST = 0x80  # of a high half: the smallest normal number, so that no whole number is subnormal
_SIGN = 1 << 31


@dataclass(frozen=True)
class _Stored:
    """A posterior whose marginals are as stored; draws are those of the posterior itself."""

    of: Posterior
    gaussians: dict[str, Gaussian]

    @property
    def fixed(self) -> Params:
        return self.of.fixed

    @property
    def listing(self) -> Listing | None:
        return self.of.listing

    @property
    def dropout(self) -> Mapping[str, Dropout]:
        return self.of.dropout

    def marginals(self) -> dict[str, Gaussian]:
        return self.gaussians

    def sample(self, count: int, generator: torch.Generator) -> Params:
        return self.of.sample(count, generator)

    def centre(self) -> Params:
        return {**self.fixed, **{name: each.mean for name, each in self.gaussians.items()}}


def stored(posterior: Posterior, how: Stored) -> Posterior:
    """A posterior with its marginals as they are stored.

    Args:
        posterior: Of float32.
        how: "float32", as they are; "bfloat16", the variance of each weight as the bfloat16 that the low half of its mean's
            bits is, so that both take the bytes of one; or "tied", the variances of a layer as a product of a factor per
            input and one per output, with the sums over inputs and over outputs that they had; or "factored", which ties the
            variances of convolutions alone, for whoever takes the squares of their means for such a product too.
    """
    if how == "float32":
        return posterior
    change, axes = (_in_halves if how == "bfloat16" else _tied), 4 if how == "factored" else 2
    marginals = posterior.marginals()
    return _Stored(
        posterior, {name: change(each) if each.mean.ndim >= axes else each for name, each in marginals.items()}
    )


def _in_halves(marginal: Gaussian) -> Gaussian:
    """The variance rounded to bfloat16, and the mean to the nearest number whose low half that is."""
    bits, low = _bits(marginal.mean), _bits(marginal.var.to(torch.bfloat16).float()) >> 16
    size = bits & (_SIGN - 1)
    high = (size - low + (1 << 15)) >> 16
    high = torch.where(low > 0, high.clamp_min(_LEAST), high)
    return Gaussian(_float(bits & _SIGN | high << 16 | low), _float(low << 16))


def _bits(tensor: Tensor) -> Tensor:
    """The bits of float32 as whole numbers of at least 0."""
    return tensor.detach().float().contiguous().view(torch.int32).long() & (2 * _SIGN - 1)


def _float(bits: Tensor) -> Tensor:
    return torch.where(bits >= _SIGN, bits - 2 * _SIGN, bits).int().view(torch.float32)


def _tied(marginal: Gaussian) -> Gaussian:
    """The mean as it is, `[O, ...]`; the variance as the product with the same sums over outputs and over inputs."""
    flat = marginal.var.detach().double().flatten(1)
    inputs, outputs = flat.sum(0), flat.sum(1)
    product = torch.outer(outputs, inputs / outputs.sum().clamp_min(torch.finfo(torch.float64).tiny))
    return Gaussian(marginal.mean, product.float().reshape(marginal.var.shape))
