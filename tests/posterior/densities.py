"""Priors written with torch.distributions, in double precision."""

import torch
from torch.distributions import Categorical, Distribution, MixtureSameFamily
from torch.distributions import Normal as Reference

from bitsback.posterior.prior import Normal, Prior


def density(prior: Prior) -> Distribution:
    if isinstance(prior, Normal):
        return Reference(*torch.tensor([0.0, prior.std], dtype=torch.float64))
    stds = torch.tensor([prior.std1, prior.std2], dtype=torch.float64)
    shares = torch.tensor([prior.pi, 1 - prior.pi], dtype=torch.float64)
    return MixtureSameFamily(Categorical(shares), Reference(torch.zeros_like(stds), stds))
