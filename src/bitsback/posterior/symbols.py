"""A categorical over the levels of a codebook for every weight, told by one number each: where it lies between thresholds.

With levels c_1 < … < c_K of probabilities p_k, of which one is 0, a weight's latent θ and a width T

    q(z = k | θ) = F((t_k − θ) / T) − F((t_{k−1} − θ) / T),    F the logistic function,

so that N weights need N numbers and no K × N tensor. The thresholds t are where the lower envelope of the parabolas
(θ − c_k)² − 2 T² ln p_k goes from one level to the next: the cells of entropy-constrained scalar quantization (Chou, Lookabaugh
& Gray 1989), which are also those of the most probable component of a mixture of normals of standard deviation T.

How probable zero is may differ from weight to weight: a weight in a row and a column that keep little is kept for more than one
among many that are kept, as a coder that knows the densities of rows and columns has it. The others' shares among themselves
are the same for all.
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

_TOGETHER = 2**18
"""Weights times levels that are looked at together: what fits a cache, and of a large matrix some rows after the others."""


class Cells(NamedTuple):
    """Where one level ends and the next begins.

    Attributes:
        levels: `[K]`, in order, K odd, the middle one 0.
        inner: `[K − 2]`, thresholds between those that are not 0, never falling; one between two equal ones is never taken.
        costs: `[K]`, −ln p of each level among those that are not 0, in nats; 0 of zero.
        rows: The first part of the logit of each weight's chance to be kept, `[O, 1]` or `[1, 1]`.
        columns: The second, `[1, N]` or `[1, 1]`.
        width: T, in the unit of the levels, a scalar tensor.
        worth: What multiplies the square of T where zero ends: more than 1 makes zeros of more weights, less of fewer.
    """

    levels: Tensor
    inner: Tensor
    costs: Tensor
    rows: Tensor
    columns: Tensor
    width: Tensor
    worth: float = 1.0

    @property
    def middle(self) -> int:
        """The number of the level that is 0."""
        return len(self.levels) // 2

    def logit(self) -> Tensor:
        """Ln p / (1 − p) of the chance p that a weight is kept, `[O or 1, N or 1]`."""
        return self.rows + self.columns


def cells(levels: Tensor, shares: Tensor, width: Tensor) -> Cells:
    """The cells of levels `[K]`, each weight as often 0 as not.

    Args:
        levels: in order, K odd, the middle one 0.
        shares: `[K]`, how often each comes among those that are not 0, above 0 and 1 together; the middle one is not looked at.
        width: T.
    """
    half = len(levels) // 2
    costs = -shares.log()
    costs = torch.cat([costs[:half], torch.zeros_like(costs[:1]), costs[half + 1 :]])
    others = torch.cat([levels[:half], levels[half + 1 :]])
    height = others.square() + 2 * width.square() * torch.cat([costs[:half], costs[half + 1 :]])
    below = torch.ones(len(others), len(others), dtype=torch.bool).tril(-1)  # j below k: row k, column j
    apart = others.unsqueeze(1) - others
    higher = height.unsqueeze(1) - height
    later = torch.where(below, higher, -higher) < 0  # of two equal ones, whether the later is the better everywhere
    crossing = torch.where(apart == 0, torch.where(later, -torch.inf, torch.inf), higher / (2 * apart))
    lower = torch.where(below, crossing, -torch.inf).amax(1)
    upper = torch.where(below.T, crossing, torch.inf).amin(1)
    ends = torch.where(lower < upper, upper, -torch.inf)[:-1]
    nothing = torch.zeros(1, 1)
    return Cells(levels, ends.cummax(0).values, costs, nothing, nothing, width)


def symbols(latent: Tensor, of: Cells) -> Tensor:
    """The most probable level of each weight `[O, N]`, its number, int32."""
    return torch.cat([_symbols(some, here) for some, here in _parts(latent, of)])


def probabilities(latent: Tensor, of: Cells) -> Tensor:
    """`q`, `[O, N, K]`: for small tensors, tests and tables."""
    thresholds = torch.stack([each.expand(latent.shape) for each in _thresholds(of)])
    edges = torch.sigmoid((thresholds - latent) / of.width)
    ends = torch.ones_like(latent).unsqueeze(0)
    differences = torch.diff(torch.cat([edges, ends]), dim=0, prepend=torch.zeros_like(ends))
    return differences.clamp_min_(0).movedim(0, -1)  # where thresholds meet, rounding may make them negative


def costs(of: Cells) -> Tensor:
    """What each level costs a weight, −ln p in nats, `[K, O or 1, N or 1]`."""
    logit = of.logit()
    found = softplus(-logit) + of.costs.reshape(-1, 1, 1)
    found[of.middle] = softplus(logit)
    return found


def length(found: Tensor, of: Cells) -> float:
    """What symbols `[O, N]` cost in nats, summed."""
    total = float((torch.bincount(found.reshape(-1), minlength=len(of.costs)) * of.costs).sum(dtype=torch.float64))
    for some, here in _parts(found, of):
        logit, kept = here.logit().expand(some.shape), some != of.middle
        total += float((softplus(logit) - logit * kept).sum(dtype=torch.float64))
    return total


def divergence(latent: Tensor, of: Cells) -> float:
    """KL(q ‖ p) in nats, summed over all weights `[O, N]`."""
    total = 0.0
    for some, here in _parts(latent, of):
        q = probabilities(some, here).movedim(-1, 0)
        total += float((torch.special.xlogy(q, q) + q * costs(here)).sum(dtype=torch.float64))
    return total


def weights(latent: Tensor, of: Cells, price: Tensor) -> Tensor:
    """The level of each weight, whose gradient reaches the latents, the levels, and the price of what they cost to write.

    The latents get the weights' gradient unchanged (straight through), and in addition that of `price` times the expected cost
    Σ_k q_k cost_k, with its exact derivative Σ_j (cost_{j+1} − cost_j) F′((θ − t_j) / T) / T. The levels get the sum of the
    gradients of the weights that take them, zero none.

    Args:
        latent: `[O, N]`.
        of: its cells.
        price: what multiplies a nat in the gradient; the value has no part of it.
    """
    return _Weights.apply(latent, of.levels, of, price)  # pyright: ignore[reportReturnType]


def _parts(values: Tensor, of: Cells) -> Iterator[tuple[Tensor, Cells]]:
    """Some rows after the others, with what is said of them.

    Yields:
        The rows' values and cells.
    """
    rows = max(_TOGETHER // (len(of.levels) * values.shape[1]), 1)
    for at in range(0, len(values), rows):
        here = slice(at, at + rows)
        yield values[here], of._replace(rows=of.rows[here]) if len(of.rows) > 1 else of


def _symbols(latent: Tensor, of: Cells) -> Tensor:
    found = torch.zeros(latent.shape, dtype=torch.int8)
    for each in _thresholds(of):
        found += (latent > each).view(torch.int8)
    return found.int()


def _thresholds(of: Cells) -> list[Tensor]:
    """The K − 1 of each weight, in order, `[O or 1, N or 1]`."""
    half, square, logit, inner = of.middle, of.worth * float(of.width) ** 2, of.logit(), of.inner.tolist()
    ends = [
        (logit * (-square / level)).add_(level / 2 + square * cost / level) if level else logit
        for level, cost in zip(of.levels.tolist(), of.costs.tolist(), strict=True)
    ]
    # Between these 0 is the most probable; where they have crossed it never is, and lies between its neighbours' threshold.
    low = reduce(torch.maximum, ends[:half]).clamp_max_(inner[half - 1])
    high = reduce(torch.minimum, ends[half + 1 :]).clamp_min_(inner[half - 1])
    return [*(low.clamp_max(each) for each in inner[: half - 1]), low, high, *(high.clamp_min(x) for x in inner[half:])]


def _slope(latent: Tensor, of: Cells) -> Tensor:
    """The derivative of T times the expected cost of each weight."""
    logit, steps, half = of.logit(), torch.diff(of.costs).tolist(), of.middle
    # a weight that is kept costs − logit beyond 0
    dearer = [*steps[: half - 1], logit + steps[half - 1], steps[half] - logit, *steps[half + 1 :]]
    total, narrow = torch.zeros_like(latent), 1 / float(of.width)
    for threshold, step in zip(_thresholds(of), dearer, strict=True):
        share = (latent - threshold).mul_(narrow).sigmoid_()
        density = torch.addcmul(share, share, share, value=-1)
        if isinstance(step, float):
            total.add_(density, alpha=step)
        else:
            total.add_(density.mul_(step))
    return total


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, levels: Tensor, of: Cells, price: Tensor) -> Tensor:
        """The levels."""
        found = symbols(latent, of)
        ctx.save_for_backward(latent, found.to(torch.uint8), price, *of[:-1])
        return levels.index_select(0, found.reshape(-1)).reshape(latent.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Straight through, and the price of the cost."""
        latent, found, price, *rest = ctx.saved_tensors
        (grad,), of = grads, Cells(*rest)
        of_levels = torch.zeros_like(of.levels).index_add_(0, found.reshape(-1).int(), grad.reshape(-1))
        of_levels[of.middle] = 0
        slope = torch.cat([_slope(some, here) for some, here in _parts(latent, of)])
        return torch.addcmul(grad, slope, price / of.width), of_levels, None, None
