"""What answering only where uncertainty is low would cost: risk against coverage.

Source: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", 2017; AURC as in Geifman, Uziel and
El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", 2019.
"""

import numpy as np

POINTS = 200
"""How many points of a curve are kept."""


def risks(scores: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The mean loss over the k least uncertain samples, for k = 1..N.

    Tied samples are taken in random order and the mean over orders is given: within a tie the loss grows evenly. So a
    score that is the same everywhere has the overall mean loss at every k.

    Args:
        scores: [N] uncertainty, N ≥ 1.
        losses: [N] loss of each answer, 1 for a wrong and 0 for a right one in classification.

    Returns:
        [N] float64.
    """
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    loss = np.bincount(group, weights=losses.astype(np.float64))
    return np.cumsum(np.repeat(loss / size, size)) / np.arange(1, len(scores) + 1)


def aurc(scores: np.ndarray, losses: np.ndarray) -> float:
    """Area under the risk–coverage curve: the mean of `risks` over k. Lower is better.

    Args:
        scores: [N] uncertainty, N ≥ 1.
        losses: [N] loss of each answer.
    """
    return float(risks(scores, losses).mean())


def risk_coverage(scores: np.ndarray, losses: np.ndarray, points: int = POINTS) -> dict[str, list[float]]:
    """The risk–coverage curve at evenly spaced coverages.

    Args:
        scores: [N] uncertainty, N ≥ 1.
        losses: [N] loss of each answer.
        points: how many at most.

    Returns:
        `coverage` (share answered, rising to 1) and `risk` (mean loss over those).
    """
    risk = risks(scores, losses)
    taken = np.unique(np.linspace(0, len(risk), min(points, len(risk)) + 1).astype(int)[1:])
    return {"coverage": (taken / len(risk)).tolist(), "risk": risk[taken - 1].tolist()}
