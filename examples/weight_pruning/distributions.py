"""What the weights look like, and whether their variance alone tells which of them survive pruning."""

from collections.abc import Mapping

import numpy as np
import torch

from bitsback.compress.masks import masks_for
from bitsback.given.params import Params
from bitsback.measure.histogram import histogram
from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.ranking import auroc
from bitsback.policy.choice import Choice, Policy
from bitsback.policy.saliency import saliency
from bitsback.posterior.contract import Posterior

PRUNED = 0.9  # the sparsity at which it is asked what predicts survival
_LEAST = 1e-6  # a signal-to-noise ratio below it is drawn as it


def rows(posterior: Posterior, of: Mapping[str, Scalar]) -> list[Measurement]:
    """Histograms of the weights and, where there is variance, of log10 std and log10 SNR; what predicts survival."""
    marginals = {name: each for name, each in posterior.marginals().items() if each.mean.ndim > 1}
    mean = _pooled({name: each.mean for name, each in marginals.items()})
    std = _pooled({name: each.var.sqrt() for name, each in marginals.items()})
    found = [_series("weight_histogram", of, mean)]
    if not std.any():
        return found
    scores, masks = saliency("snr", posterior), masks_for(posterior, Policy(Choice(sparsity=PRUNED, saliency="snr")))
    snr = _pooled({name: scores[name] for name in marginals})
    kept = _pooled({name: masks[name] for name in marginals}).astype(bool)
    found.append(_series("snr_histogram", of, np.log10(snr.clip(_LEAST)), kept))
    found.append(_series("std_histogram", of, np.log10(std), kept))
    for what, score in (("std", -std), ("mean", np.abs(mean))):
        value = auroc(score[kept], score[~kept])
        found.append(Measurement("survival_auroc", value, "", {**of, "predicted_by": what}))
    return found


def _pooled(tensors: Params) -> np.ndarray:
    return torch.cat([each.flatten() for each in tensors.values()]).numpy()


def _series(what: str, of: Mapping[str, Scalar], values: np.ndarray, kept: np.ndarray | None = None) -> Measurement:
    return Measurement(what, None, "", dict(of), series=histogram(values, kept))
