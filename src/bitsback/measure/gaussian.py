"""How far a regression's mean and variance can be believed, read as a Gaussian.

A program gives one variance a sample, summed over the D targets; each target is given an even share of it, total / D
(exact for D = 1).
"""

import math
from statistics import NormalDist

import numpy as np

FLOOR = float(np.finfo(np.float32).tiny)
"""The least variance that the likelihood sees, in squared target units."""


def nll(error: np.ndarray, total: np.ndarray) -> float:
    """Negative log likelihood in nats, summed over targets, the mean over samples of Σ_d ½ (log 2πv + e_d²/v).

    Args:
        error: [N, D] mean − target, in target units.
        total: [N] variance summed over targets; v = max(total / D, 2^-126).
    """
    var = np.maximum(total.astype(np.float64) / error.shape[1], FLOOR)[:, None]
    terms = 0.5 * (np.log(2 * math.pi * var) + np.square(error.astype(np.float64)) / var)
    return float(terms.sum(axis=1).mean())


def interval_coverage(error: np.ndarray, total: np.ndarray, level: float) -> float:
    """The share of targets inside the central interval that should hold `level` of them: |e_d| ≤ z √(total / D).

    Args:
        error: [N, D] mean − target, in target units.
        total: [N] variance summed over targets.
        level: between 0 and 1; z is the standard normal's quantile at (1 + level) / 2.
    """
    half = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(np.maximum(total, 0.0) / error.shape[1])
    return float((np.abs(error) <= half[:, None]).mean())
