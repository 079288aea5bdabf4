r"""Weights drawn from independent normals, with the KL's gradient added by hand in the same backward pass.

With w = mean + std · ε, std = exp(s), and the prior a function of w² (`prior.precision` = c), the KL's gradient per weight is

    sampled:      d/dmean = c(w²) · w,               d/ds = c(w²) · w · ε · std − 1
    closed form:  d/dmean = c(mean² + std²) · mean,  d/ds = c(mean² + std²) · std² − 1

Adding it where the likelihood's gradient arrives makes one elementwise pass of what automatic differentiation would spread
over a dozen. `tests/posterior/test_variational_weights.py` holds it against automatic differentiation of the plain formulas.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from bitsback.posterior.prior import Prior


class KlTerm(NamedTuple):
    """How the KL enters a step.

    Attributes:
        prior: the prior of every weight.
        sampled: whether its gradient is taken at the drawn weights rather than in closed form.
        scale: what multiplies the KL, a scalar tensor.
        kept: 1 for weights that are there and 0 for pruned ones, or None where all are.
    """

    prior: Prior
    sampled: bool
    scale: Tensor
    kept: Tensor | None


def draw(mean: Tensor, log_std: Tensor, noise: Tensor, term: KlTerm) -> Tensor:
    """Weights `[P]` = (mean + exp(log_std) · noise) · kept, whose backward pass adds the KL's gradient.

    It is added as it is, whatever the loss was multiplied by: the backward pass must start at the loss itself, with 1.
    """
    return _Draw.apply(mean, log_std, noise, term.scale, term.kept, term.prior, term.sampled)  # pyright: ignore[reportReturnType]


def kl_gradient_only(mean: Tensor, log_std: Tensor, noise: Tensor | None, term: KlTerm) -> Tensor:
    """A zero whose backward pass adds the KL's gradient; `noise` is needed where the term is sampled."""
    noise = mean.detach() if noise is None else noise  # not read by the closed form
    return _KlOnly.apply(mean, log_std, noise, term.scale, term.kept, term.prior, term.sampled)  # pyright: ignore[reportReturnType]


def kl_value(mean: Tensor, log_std: Tensor, noise: Tensor | None, prior: Prior) -> Tensor:
    """The KL of each weight `[P]` in nats: in closed form without noise, from one draw with it."""
    entropy = log_std + 0.5 * (1 + torch.log(torch.tensor(2 * torch.pi)))
    std = torch.exp(log_std)
    square = mean.square() + std.square() if noise is None else (mean + std * noise).square()
    return -entropy - prior.log_density(square)


def _sampled_kl(weights: Tensor, deviation: Tensor, prior: Prior) -> tuple[Tensor, Tensor]:
    """The gradient with respect to `mean` and `log_std` at one draw that lies `deviation` = std · ε from the mean."""
    pull = prior.precision(weights.square()) * weights
    return pull, pull * deviation - 1


def _closed_form_kl(mean: Tensor, log_std: Tensor, prior: Prior) -> tuple[Tensor, Tensor]:
    """The gradient with respect to `mean` and `log_std` of the closed form."""
    var = torch.exp(2 * log_std)
    precision = prior.precision(mean.square() + var)
    return precision * mean, precision * var - 1


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        mean, log_std, noise, scale, kept, prior, sampled = args
        weights = mean + torch.exp(log_std) * noise
        weights = weights if kept is None else weights * kept
        # The network's own gradient keeps the weights anyway; std · ε read back from them costs no second pass over the noise.
        ctx.save_for_backward(mean, log_std, weights, scale, kept)
        ctx.prior, ctx.sampled = prior, sampled
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        mean, log_std, weights, scale, kept = ctx.saved_tensors
        deviation = weights - mean
        if ctx.sampled:
            kl_mean, kl_log_std = _sampled_kl(weights, deviation, ctx.prior)
        else:
            kl_mean, kl_log_std = _closed_form_kl(mean, log_std, ctx.prior)
        grad_mean = grads[0] + scale * kl_mean
        grad_log_std = grads[0] * deviation + scale * kl_log_std
        if kept is not None:
            grad_mean, grad_log_std = grad_mean * kept, grad_log_std * kept
        return grad_mean, grad_log_std, None, None, None, None, None


class _KlOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        mean, log_std, noise, scale, kept, prior, sampled = args
        ctx.save_for_backward(mean, log_std, noise, scale, kept)
        ctx.prior, ctx.sampled = prior, sampled
        return mean.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        mean, log_std, noise, scale, kept = ctx.saved_tensors
        if ctx.sampled:
            deviation = torch.exp(log_std) * noise
            kl_mean, kl_log_std = _sampled_kl(mean + deviation, deviation, ctx.prior)
        else:
            kl_mean, kl_log_std = _closed_form_kl(mean, log_std, ctx.prior)
        scale = scale * grads[0] if kept is None else scale * grads[0] * kept
        return scale * kl_mean, scale * kl_log_std, None, None, None, None, None
