"""What a weight is worth."""

import torch
from torch import Tensor

from bitsback.errors import PolicyError
from bitsback.policy.choice import Saliency
from bitsback.posterior.contract import Posterior


def saliency(kind: Saliency, posterior: Posterior) -> dict[str, Tensor]:
    """A score per weight, by param name; the smallest go first.

    "snr" is |mean| / std (Blundell et al. 2015, section 5.1; Graves 2011), "magnitude" is |mean|. A weight that is exactly
    0 ± 0, pruned before, scores 0.

    Raises:
        PolicyError: "snr" is asked of a posterior without variance, or where the variance is a dropout's.
    """
    if kind == "snr" and posterior.dropout:
        raise PolicyError("saliency 'snr' says nothing where a dropout is all that varies; use 'magnitude'")
    scores: dict[str, Tensor] = {}
    uncertain = False
    for name, (mean, var) in posterior.marginals().items():
        uncertain = uncertain or bool((var > 0).any())
        ratio = mean.abs() / var.sqrt().clamp_min(torch.finfo(var.dtype).tiny)
        scores[name] = mean.abs() if kind == "magnitude" else torch.where(mean == 0, torch.zeros_like(mean), ratio)
    if kind == "snr" and scores and not uncertain:
        raise PolicyError("saliency 'snr' needs weights with a variance, and a point has none; use 'magnitude'")
    return scores
