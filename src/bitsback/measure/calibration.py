"""How far predicted probabilities can be believed: likelihood, Brier score, calibration error."""

import numpy as np

FLOOR = float(np.finfo(np.float32).tiny)
"""The least probability that the likelihood sees, 2^-126: a program's zero costs 87.3 nats, not infinity."""

BINS = 15
"""Equal-width bins of confidence, for the calibration error and the reliability diagram."""


def nll(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Negative log likelihood in nats, the mean over samples of −log max(p[label], 2^-126).

    Args:
        probabilities: [N, C].
        labels: [N] integers in 0..C-1.
    """
    right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(right, FLOOR)).mean())


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Brier score: the mean over samples of Σ_c (p_c − 1{c = label})², between 0 and 2 (Brier 1950, the sum form).

    Args:
        probabilities: [N, C].
        labels: [N] integers in 0..C-1.
    """
    error = probabilities.astype(np.float64)
    error[np.arange(len(labels)), labels] -= 1.0
    return float(np.square(error).sum(axis=1).mean())


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, list[float]]:
    """The reliability diagram: mean confidence, accuracy and count of each bin ((m−1)/M, m/M], m = 1..M.

    A confidence of 0 falls into the first bin. An empty bin has confidence at its middle, accuracy 0 and count 0.

    Args:
        confidence: [N] the answer's probability.
        right: [N] whether the answer is right.
        bins: M.

    Returns:
        `confidence`, `accuracy` and `count`, M numbers each.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    where = np.clip(np.searchsorted(edges, confidence.astype(np.float64), side="left") - 1, 0, bins - 1)
    count = np.bincount(where, minlength=bins)
    share = np.maximum(count, 1)
    believed = np.bincount(where, weights=confidence, minlength=bins) / share
    accuracy = np.bincount(where, weights=right, minlength=bins) / share
    believed = np.where(count > 0, believed, (edges[1:] + edges[:-1]) / 2)
    return {"confidence": believed.tolist(), "accuracy": accuracy.tolist(), "count": count.tolist()}


def ece(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: Σ_m n_m/N |accuracy_m − confidence_m| (Guo et al. 2017, eq. 3).

    Args:
        confidence: [N] the answer's probability.
        right: [N] whether the answer is right.
        bins: equal-width bins, closed above.
    """
    found = {name: np.asarray(values) for name, values in reliability(confidence, right, bins).items()}
    gap = np.abs(found["accuracy"] - found["confidence"])
    return float((found["count"] * gap).sum() / len(confidence))
