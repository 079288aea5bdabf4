"""What a network may be given: finite float32 arrays of its input's shape."""

import numpy as np

from bitsback.errors import DataError, reason


def check_samples(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The samples as float32 [N, *shape].

    Args:
        x: [N, *shape], or one sample.
        shape: of one sample.

    Raises:
        DataError: another shape, not numbers, or values that are not finite (or too large for float32).
    """
    try:
        found = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"the inputs are no array of numbers: {reason(error)}") from error
    if found.dtype.kind not in "fiub":
        raise DataError(f"the inputs have dtype {found.dtype}; real numbers are needed")
    if found.shape == shape:
        found = found[None]
    if found.shape[1:] != shape or found.ndim == 0:
        raise DataError(f"the inputs have shape {found.shape}, and the network takes (N, {', '.join(map(str, shape))})")
    with np.errstate(over="ignore"):
        samples = np.ascontiguousarray(found, np.float32)
    finite = np.isfinite(samples)
    if not finite.all():
        where = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise DataError(f"the inputs have {found[where]} at {where}; every value must be a finite float32")
    return samples
