"""A categorical over the levels of a codebook for every weight, told by one number each: where it lies between thresholds.

With levels c_1 < … < c_K of probabilities p_k, of which one is 0, a weight's latent θ and a width T

    q(z = k | θ) = F((t_k − θ) / T) − F((t_{k−1} − θ) / T),    F the logistic function,

so that N weights need N numbers and no K × N tensor. The thresholds t are where the lower envelope of the parabolas
(θ − c_k)² − 2 T² ln p_k goes from one level to the next: the cells of entropy-constrained scalar quantization (Chou, Lookabaugh
& Gray 1989), which are also those of the most probable component of a mixture of normals of standard deviation T.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Cells(NamedTuple):
    """Where one level ends and the next begins.

    Attributes:
        levels: `[K]`, in order.
        thresholds: `[K − 1]`, never falling; a level between two equal ones is never taken.
        costs: `[K]`, −ln p of each level, in nats.
        width: T, in the unit of the levels, a scalar tensor.
    """

    levels: Tensor
    thresholds: Tensor
    costs: Tensor
    width: Tensor


def cells(levels: Tensor, shares: Tensor, width: Tensor) -> Cells:
    """The cells of levels `[K]` that come with frequencies `[K]`, which sum to 1 and are above 0."""
    costs = -shares.log()
    height = levels.square() + 2 * width.square() * costs
    below = torch.ones(len(levels), len(levels), dtype=torch.bool).tril(-1)  # j below k: row k, column j
    apart = levels.unsqueeze(1) - levels
    crossing = (height.unsqueeze(1) - height) / (2 * torch.where(apart == 0, torch.ones_like(apart), apart))
    lower = torch.where(below, crossing, -torch.inf).amax(1)
    upper = torch.where(below.T, crossing, torch.inf).amin(1)
    ends = torch.where(lower < upper, upper, -torch.inf)[:-1]
    return Cells(levels, ends.cummax(0).values, costs, width)


def symbols(latent: Tensor, of: Cells) -> Tensor:
    """The most probable level of each weight, its number."""
    return torch.bucketize(latent, of.thresholds)


def probabilities(latent: Tensor, of: Cells) -> Tensor:
    """`q`, `[..., K]`: for small tensors, tests and tables."""
    edges = torch.sigmoid((of.thresholds - latent.unsqueeze(-1)) / of.width)
    ends = torch.ones_like(latent).unsqueeze(-1)
    return torch.diff(torch.cat([edges, ends], -1), dim=-1, prepend=torch.zeros_like(ends))


def divergence(latent: Tensor, of: Cells) -> Tensor:
    """KL(q ‖ p) in nats, summed over all weights."""
    total, before = torch.zeros((), dtype=torch.float64), torch.zeros_like(latent)
    for k, cost in enumerate(of.costs):
        last = k == len(of.thresholds)
        edge = torch.ones_like(latent) if last else torch.sigmoid((of.thresholds[k] - latent) / of.width)
        share = edge - before
        total, before = total + (torch.special.xlogy(share, share) + share * cost).sum().double(), edge
    return total


def weights(latent: Tensor, of: Cells, price: Tensor) -> Tensor:
    """The level of each weight, whose gradient reaches the latents, the levels, and the price of what they cost to write.

    The latents get the weights' gradient unchanged (straight through), and in addition that of `price` times the expected cost
    Σ_k q_k cost_k, with its exact derivative Σ_j (cost_{j+1} − cost_j) F′((θ − t_j) / T) / T. The levels get the sum of the
    gradients of the weights that take them.

    Args:
        latent: of any shape.
        of: its cells.
        price: what multiplies a nat in the gradient; the value has no part of it.
    """
    return _Weights.apply(latent, of.levels, of, price)  # pyright: ignore[reportReturnType]


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, levels: Tensor, of: Cells, price: Tensor) -> Tensor:
        """The levels."""
        found = symbols(latent, of)
        ctx.save_for_backward(latent, found.to(torch.uint8), of.thresholds, of.costs, of.width, price)
        return levels[found]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Straight through, and the price of the cost."""
        latent, found, thresholds, costs, width, price = ctx.saved_tensors
        (grad,) = grads
        of_latent = grad.clone()
        for threshold, step in zip(thresholds, torch.diff(costs) * price / width, strict=True):
            share = torch.sigmoid((latent - threshold) / width)
            of_latent += step * share * (1 - share)
        of_levels = torch.zeros_like(costs).index_add_(0, found.reshape(-1).int(), grad.reshape(-1))
        return of_latent, of_levels, None, None
