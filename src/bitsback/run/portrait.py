"""What a posterior looks like, as rows of the journal: its weights, how sure it is of them, its layers, its prior."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from bitsback.artifact.tensors import pack
from bitsback.given.params import Params
from bitsback.measure.histogram import histogram
from bitsback.measure.journal import Measurement, Scalar
from bitsback.policy.saliency import saliency
from bitsback.posterior.contract import Posterior
from bitsback.posterior.prior import Prior

_REACH = 3.0  # the prior is drawn to so many of the widest weights' scales
_POINTS = 401


def histograms(posterior: Posterior, masks: Params, of: Mapping[str, Scalar]) -> list[Measurement]:
    """For every layer with at least two axes the histogram of the means and, where there is variance, of log10 |mean|/std.

    Args:
        posterior: Before pruning, so that both what is kept and what goes is seen.
        masks: Which weights are kept; all where a layer has no mask.
        of: Stage and form.

    Returns:
        Rows `weight_histogram` (of the weights kept) and `snr_histogram`.
    """
    rows: list[Measurement] = []
    marginals = posterior.marginals()
    uncertain = any(bool(var.any()) for _, var in marginals.values())
    scores = saliency("snr", posterior) if uncertain else {}
    for name, (mean, var) in marginals.items():
        if mean.ndim < 2:
            continue
        kept = masks[name].bool() if name in masks else torch.ones_like(mean, dtype=torch.bool)
        where = {**of, "layer": name}
        rows.append(_series("weight_histogram", where, **histogram(mean[kept].numpy())))
        if bool(var.any()):
            ratio = torch.log10(scores[name].clamp(1e-4, 1e4))
            rows.append(_series("snr_histogram", where, **histogram(ratio.flatten().numpy(), kept.flatten().numpy())))
    return rows


def layers(
    held: Mapping[str, tuple[Tensor, ...]], shapes: Mapping[str, list[int]], masks: Params, of: Mapping[str, Scalar]
) -> Measurement:
    """The layers: parameters, how many are kept, and the bytes that their values take in the packed file.

    Args:
        held: The tensors that the program holds of each param.
        shapes: The params' own shapes.
        masks: Which weights are kept.
        of: Stage and form.
    """
    return _series(
        "layers",
        of,
        name=list(held),
        shape=[shapes[name] for name in held],
        parameters=[int(np.prod(shapes[name])) for name in held],
        kept=[kept_of(name, shapes[name], masks) for name in held],
        bytes=[sum(pack(name, each.numpy(), 0)[0].size for each in tensors) for name, tensors in held.items()],
    )


def kept_of(name: str, shape: list[int], masks: Params) -> int:
    """How many weights of a param are not pruned."""
    return int(masks[name].sum()) if name in masks else int(np.prod(shape))


def prior_density(prior: Prior, of: Mapping[str, Scalar]) -> Measurement:
    """The prior's density over a range that shows its narrow peak and its broad shoulders."""
    widest = float(getattr(prior, "std1", getattr(prior, "std", 1.0)))
    # Denser towards zero, where a spike is narrow: the cube of an even grid.
    x = torch.linspace(-1.0, 1.0, _POINTS, dtype=torch.float64).pow(3) * (_REACH * widest)
    density = prior.log_density(x.square()).exp()
    return _series("prior_density", of, x=x.tolist(), density=density.tolist())


def _series(what: str, of: Mapping[str, Scalar], **series: list) -> Measurement:
    return Measurement(what, None, "", of=dict(of), series=series)
