"""From the members' answers to a prediction: a mean, and its uncertainty in two parts.

Classification (Depeweg et al., "Decomposition of Uncertainty in Bayesian Deep Learning", ICML 2018, eq. 2, in nats):

    total = H(mean_s p_s) = data + knowledge,   data = mean_s H(p_s),   knowledge = mean_s KL(p_s || mean p)

Regression (law of total variance, in squared target units, summed over the D targets):

    total = data + knowledge,   data = noise variance,   knowledge = variance over members of their means

`knowledge` is computed from its own sum of non-negative terms, not as a difference, so that it keeps its relative accuracy.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from bitsback.moments.categorical import shares
from bitsback.posterior.contract import Gaussian


class Outputs(NamedTuple):
    """What every program returns for a batch.

    Attributes:
        mean: `[B, C]` class probabilities, or `[B, D]` regression means in target units.
        total: `[B]`.
        data: `[B]`.
        knowledge: `[B]`.
    """

    mean: Tensor
    total: Tensor
    data: Tensor
    knowledge: Tensor


def classify(log_probabilities: Tensor) -> Outputs:
    """Combines members' log probabilities `[S, B, C]`."""
    probabilities = torch.exp(log_probabilities)
    mean = probabilities.mean(0)
    log_mean = torch.log(mean.clamp_min(torch.finfo(mean.dtype).tiny))
    data = -(probabilities * log_probabilities).sum(-1).mean(0)
    knowledge = (probabilities * (log_probabilities - log_mean)).sum(-1).mean(0).clamp_min(0)
    if len(log_probabilities) == 1:
        knowledge = torch.zeros_like(data)  # exactly, not up to the rounding of log(exp(x))
    return Outputs(mean, data + knowledge, data, knowledge)


def classify_moments(moments: Tensor) -> Outputs:
    """What Gaussian logits say, mean and variance stacked `[2, B, C]`."""
    mean, knowledge = shares(Gaussian(moments[0], moments[1]))
    total = -(mean * torch.log(mean.clamp_min(torch.finfo(mean.dtype).tiny))).sum(-1)
    knowledge = torch.minimum(knowledge, total)
    return Outputs(mean, total, total - knowledge, knowledge)


def regress(means: Tensor, noise_var: Tensor) -> Outputs:
    """Combines members' means `[S, B, D]` under a noise variance `[D]`."""
    mean = means.mean(0)
    knowledge = (means - mean).square().mean(0).sum(-1)
    data = torch.zeros_like(knowledge) + noise_var.sum()
    return Outputs(mean, data + knowledge, data, knowledge)


class Reading(NamedTuple):
    """How a classification is read from what the members put out `[S, B, C]`.

    Attributes:
        answers: from outputs to answers.
        combine: from answers to the prediction.
    """

    answers: Callable[[Tensor], Tensor]
    combine: Callable[[Tensor], Outputs]


VOTES = Reading(partial(torch.log_softmax, dim=-1), classify)
MOMENTS = Reading(torch.clone, classify_moments)
