"""How often each value occurs."""

import numpy as np

_BINS = 60
_ROUNDING = 1e-5


def histogram(values: np.ndarray, kept: np.ndarray | None = None) -> dict[str, list[float]]:
    """The counts of values in bins of equal width from the lowest to the highest, and of those that are kept.

    Args:
        values: [N], finite.
        kept: [N] whether each is kept, None where that is not asked.

    Returns:
        `edges` (bins + 1), `count` (bins) and, where it is asked, `kept` (bins).
    """
    values = values.astype(np.float64)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if high - low <= _ROUNDING * max(abs(low), abs(high)):  # all the same, but for how float32 rounds
        low, high = low - 0.5, high + 0.5
    count, edges = np.histogram(values, bins=_BINS, range=(low, high))
    series = {"edges": edges.tolist(), "count": count.tolist()}
    if kept is not None:
        series["kept"] = np.histogram(values[kept], bins=edges)[0].tolist()
    return series
