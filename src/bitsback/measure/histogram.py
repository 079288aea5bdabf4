"""How often each value occurs."""

import numpy as np

_BINS = 60


def histogram(values: np.ndarray, kept: np.ndarray | None = None) -> dict[str, list[float]]:
    """The counts of values in bins of equal width from the lowest to the highest, and of those that are kept.

    Args:
        values: [N], finite.
        kept: [N] whether each is kept, None where that is not asked.

    Returns:
        `edges` (bins + 1), `count` (bins) and, where it is asked, `kept` (bins).
    """
    count, edges = np.histogram(values, bins=_BINS)
    series = {"edges": edges.tolist(), "count": count.tolist()}
    if kept is not None:
        series["kept"] = np.histogram(values[kept], bins=edges)[0].tolist()
    return series
