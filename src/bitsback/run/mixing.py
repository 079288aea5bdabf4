"""Whether the chains of a sampled posterior agree in what they predict."""

import numpy as np
import torch

from bitsback.form.one_by_one import asked, members_of
from bitsback.form.program import Predict
from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.mixing import effective_samples, split_rhat
from bitsback.posterior.store import Stored
from bitsback.run.fitted import units
from bitsback.run.materials import Materials

_LOOKED_AT = 500  # validation samples


def mixing(materials: Materials, stored: Stored, of: dict[str, Scalar]) -> list[Measurement]:
    """Split R̂ and the effective number of samples of the log likelihood, and the middle ones of single predictions.

    Args:
        materials: Of the run; its validation split is what is predicted.
        stored: A posterior; one that is no list of samples has no rows, nor has one of fewer than four a chain.
        of: What the rows are of.
    """
    listing, split = stored.posterior.listing, materials.data.validation
    if listing is None or listing.values < 4 * listing.chains or not len(split.inputs):
        return []
    logs = _log_likelihoods(materials, stored)
    chains = logs.reshape(listing.chains, -1, logs.shape[1])
    rows = []
    for quantity, values in (("log likelihood", chains.sum(2, keepdims=True)), ("predictions", chains)):
        for what, unit, figure in (("split_rhat", "1", split_rhat), ("effective_samples", "1", effective_samples)):
            found = [figure(values[:, :, index]) for index in range(values.shape[2])]
            middle = float(np.median([each for each in found if each is not None]))
            rows.append(Measurement(what, middle, unit, of={**of, "quantity": quantity}))
    return rows


@torch.no_grad()
def _log_likelihoods(materials: Materials, stored: Stored) -> np.ndarray:
    """Of every sample for each of some validation targets, `[S, N]`, in nats, in standardized units for a regression."""
    data, posterior = materials.data, stored.posterior
    assert posterior.listing is not None
    inputs, targets = data.validation.inputs[:_LOOKED_AT], data.validation.targets[:_LOOKED_AT]
    draws = posterior.sample(posterior.listing.values, torch.Generator())
    members = asked(materials.traces.evaluation, members_of(posterior.fixed, draws))
    answers = Predict(members, units(data, stored.log_noise), inputs.ndim - 1).answers(torch.from_numpy(inputs))
    if data.target_normalization is None:
        return answers.gather(2, torch.from_numpy(targets).expand(len(answers), -1).unsqueeze(2)).squeeze(2).numpy()
    scale = torch.tensor(data.target_normalization.std) * stored.log_noise.exp()
    return (-0.5 * ((answers - torch.from_numpy(targets)) / scale).square()).sum(2).numpy()
