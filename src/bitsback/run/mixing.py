"""Whether the chains of a sampled posterior agree in what they predict."""

import numpy as np
import torch
from scipy.stats import f

from bitsback.form.one_by_one import asked, members_of
from bitsback.form.program import Predict
from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.mixing import MIXED, effective_samples, split_rhat
from bitsback.posterior.store import Stored
from bitsback.recipe.inference import Hmc, SgMcmc
from bitsback.run.fitted import units
from bitsback.run.materials import Materials

_LOOKED_AT = 500  # validation samples


def mixing(materials: Materials, stored: Stored, of: dict[str, Scalar]) -> list[Measurement]:
    """Split R̂ and the effective number of samples of the log likelihood, and the middle ones of single predictions.

    Args:
        materials: Of the run; its validation split is what is predicted.
        stored: A posterior; only one of chains that move step by step has rows, with at least four samples a chain.
        of: What the rows are of.
    """
    listing, split = stored.posterior.listing, materials.data.validation
    sampled = isinstance(
        materials.recipe.inference, SgMcmc | Hmc
    )  # other methods' samples are independent as they are made
    if not sampled or listing is None or listing.values < 4 * listing.chains or not len(split.inputs):
        return []
    logs = _log_likelihoods(materials, stored)
    chains = logs.reshape(listing.chains, -1, logs.shape[1])
    rows = [Measurement("split_rhat_limit", limit(*chains.shape[:2]), "1", of=of)]
    for quantity, values in (("log likelihood", chains.sum(2, keepdims=True)), ("predictions", chains)):
        for what, figure in (("split_rhat", split_rhat), ("effective_samples", effective_samples)):
            found = [figure(values[:, :, index]) for index in range(values.shape[2])]
            middle = float(np.median([each for each in found if each is not None]))
            rows.append(Measurement(what, middle, "1", of={**of, "quantity": quantity}))
    return rows


def limit(chains: int, draws: int) -> float:
    """The most that split R̂ is of chains that mixed, but for one time in two hundred: few draws differ by chance.

    Between halves of chains of independent normal draws, n times the variance of their means over the variance within has an F
    distribution.
    """
    halves, each = 2 * chains, draws // 2
    ratio = float(f.ppf(1 - 0.005, halves - 1, halves * (each - 1)))
    return max(MIXED, float(np.sqrt((each - 1) / each + ratio / each)))


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
