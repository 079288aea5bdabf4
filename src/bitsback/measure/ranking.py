"""How well an uncertainty tells one kind of sample from another."""

import numpy as np


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, tied values sharing the mean of theirs.

    Args:
        values: [N], finite.

    Returns:
        [N] float64.
    """
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    return (last - (size - 1) / 2)[group]


def auroc(higher: np.ndarray, lower: np.ndarray) -> float | None:
    """Area under the ROC curve: P(higher > lower) + ½ P(higher = lower) over all pairs (Mann–Whitney).

    Args:
        higher: [P] scores of those that should have the higher ones (out of distribution, wrong answers).
        lower: [Q] scores of the others.

    Returns:
        Between 0 and 1, a half for a score that says nothing; None where either side is empty.
    """
    pairs = len(higher) * len(lower)
    if pairs == 0:
        return None
    ranks = midranks(np.concatenate([higher, lower]))[: len(higher)]
    return float((ranks.sum() - len(higher) * (len(higher) + 1) / 2) / pairs)


def histogram(inside: np.ndarray, outside: np.ndarray, bins: int = 40) -> dict[str, list[float]]:
    """The distributions of one score inside and outside the training distribution, over common bins.

    Args:
        inside: [N] scores.
        outside: [M] scores.
        bins: how many, from the lowest score to the highest (or a little more, where all are the same).

    Returns:
        `edges` (bins + 1), and the counts `inside` and `outside` (bins).
    """
    both = np.concatenate([inside, outside]).astype(np.float64)
    low, high = both.min(), both.max()
    edges = np.linspace(low, max(high, low + 1e-6 * max(1.0, abs(low))), bins + 1)
    counts = [np.histogram(scores, edges)[0].tolist() for scores in (inside, outside)]
    return {"edges": edges.tolist(), "inside": counts[0], "outside": counts[1]}
