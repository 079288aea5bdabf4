"""Whether chains of samples mixed: split R̂ and the effective number of samples of a quantity.

Vehtari, Gelman, Simpson, Carpenter & Bürkner, "Rank-normalization, folding, and localization: an improved R̂ for assessing
convergence of MCMC", Bayesian Analysis 2021: eqs. 1 to 4 (split R̂), 7 to 14 (effective sample size), on ranks turned to
normal scores.
"""

from statistics import NormalDist

import numpy as np

MIXED = 1.05
"""Above this split R̂ of many samples their chains did not mix; the paper asks for 1.01 of thousands."""


def split_rhat(values: np.ndarray) -> float | None:
    """How much wider all chains together are than each half of a chain is, 1 where they agree.

    Args:
        values: `[chains, draws]` of one quantity.

    Returns:
        The larger of the two R̂ of ranks and of folded ranks; None of fewer than four draws a chain.
    """
    if values.shape[1] < 4:
        return None
    folded = np.abs(values - np.median(values))
    return max(_rhat(_scores(_halves(each))) for each in (values, folded))


def effective_samples(values: np.ndarray) -> float | None:
    """How many independent draws say as much about the quantity's mean.

    Args:
        values: `[chains, draws]` of one quantity.

    Returns:
        At most draws · log10(draws) of all chains; None of fewer than four draws a chain.
    """
    if values.shape[1] < 4:
        return None
    split = _scores(_halves(values))
    chains, draws = split.shape
    total = chains * draws
    within, over = _variances(split)
    if over == 0:
        return float(total)
    covariance = np.mean([_autocovariance(each) for each in split], 0)
    correlation = 1 - (within - covariance * draws / (draws - 1)) / over
    pairs = correlation[: draws // 2 * 2].reshape(-1, 2).sum(1)
    ends = np.flatnonzero(pairs < 0)
    kept = np.minimum.accumulate(pairs[: ends[0] if len(ends) else len(pairs)])
    time = max(2 * float(kept.sum()) - 1, 1 / np.log10(total))
    return total / time


def _halves(values: np.ndarray) -> np.ndarray:
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def _scores(values: np.ndarray) -> np.ndarray:
    """Ranks over all chains, of equal values the mean of theirs, as normal scores."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    scores = np.array([NormalDist().inv_cdf((rank - 3 / 8) / (values.size + 1 / 4)) for rank in ranks])
    return scores[where].reshape(values.shape)


def _variances(values: np.ndarray) -> tuple[float, float]:
    """Within chains, and over all of them."""
    draws = values.shape[1]
    within = float(values.var(1, ddof=1).mean())
    return within, within * (draws - 1) / draws + float(values.mean(1).var(ddof=1))


def _rhat(values: np.ndarray) -> float:
    within, over = _variances(values)
    if within == 0:
        return 1.0 if over == 0 else float("inf")
    return float(np.sqrt(over / within))


def _autocovariance(values: np.ndarray) -> np.ndarray:
    """Of one chain at each lag, divided by the number of draws."""
    centred = values - values.mean()
    size = len(values)
    power = np.abs(np.fft.rfft(centred, 2 * size)) ** 2
    return np.fft.irfft(power, 2 * size)[:size] / size
