"""What the weights look like, and whether their variance alone tells which of them survive pruning."""

from collections.abc import Mapping

import numpy as np
import torch

from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.ranking import auroc
from bitsback.policy.saliency import saliency
from bitsback.posterior.contract import Posterior

SURVIVING = 0.1  # the share kept when asking what predicts survival
_BINS = 60


def rows(posterior: Posterior, of: Mapping[str, Scalar]) -> list[Measurement]:
    """Histograms of the weights (and of log10 SNR), and what predicts survival at 90 % pruned."""
    matrices = {n: m for n, m in posterior.marginals().items() if m.mean.ndim > 1}
    mean = torch.cat([marginal.mean.flatten() for marginal in matrices.values()])
    std = torch.cat([marginal.var.sqrt().flatten() for marginal in matrices.values()])
    found = [_histogram("weight_histogram", mean.numpy(), of)]
    if not bool(std.any()):
        return found
    scores = saliency("snr", posterior)
    snr = torch.cat([scores[name].flatten() for name in matrices])
    logarithm = np.log10(snr.clamp_min(1e-6).numpy())
    kept = (snr >= torch.sort(snr, descending=True).values[int(SURVIVING * snr.numel()) - 1]).numpy()
    found.append(_histogram("snr_histogram", logarithm, of, kept))
    found.append(_histogram("std_histogram", np.log10(std.numpy()), of, kept))
    for what, score in (("std", -std), ("mean", mean.abs())):
        value = auroc(score.numpy()[kept], score.numpy()[~kept])
        found.append(Measurement("survival_auroc", value, "", {**of, "predicted_by": what}))
    return found


def _histogram(what: str, values: np.ndarray, of: Mapping[str, Scalar], kept: np.ndarray | None = None) -> Measurement:
    count, edges = np.histogram(values, bins=_BINS)
    series = {"edges": edges.tolist(), "count": count.tolist()}
    if kept is not None:
        series["kept"] = np.histogram(values[kept], bins=edges)[0].tolist()
    return Measurement(what, None, "", dict(of), series=series)
