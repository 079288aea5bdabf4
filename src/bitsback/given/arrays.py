"""Arrays from outside, checked: what passes is numeric, finite, of the right shape and in range."""

from collections.abc import Sequence

import numpy as np

from bitsback.errors import DataError


def inputs(values: object, what: str) -> np.ndarray:
    """Check input samples.

    Args:
        values: Array-like [N, features] or [N, channels, ...], raw units.
        what: How an error names them, such as "training inputs of 'mnist'".

    Returns:
        The samples, uint8 where they came as uint8 and float32 otherwise.

    Raises:
        DataError: They are not numbers, empty, of too few axes, NaN or infinite.
    """
    array = numbers(values, what)
    if array.ndim < 2:
        raise DataError(
            f"the {what} have shape {array.shape}, but inputs need a sample axis and at least one more: "
            "(N, features) or (N, channels, height, width)"
        )
    if 0 in array.shape:
        raise DataError(f"the {what} are empty (shape {array.shape}); at least one sample is needed")
    return array if array.dtype == np.uint8 else _finite(array, what)


def classes(values: object, samples: int, what: str) -> np.ndarray:
    """Check the class numbers of `samples` samples; their upper end is checked by `check_range`.

    Args:
        values: Array-like [N] of whole numbers.
        samples: N, the number of inputs they belong to.
        what: How an error names them.

    Returns:
        The classes, int64 [N].

    Raises:
        DataError: They are not whole numbers, not one per input, or negative.
    """
    array = numbers(values, what)
    if array.dtype.kind not in "iub":
        raise DataError(f"the {what} have dtype {array.dtype}, but classes are whole numbers (int64)")
    if array.shape != (samples,):
        raise DataError(f"the {what} have shape {array.shape}, but {samples} inputs need shape ({samples},)")
    wrong = np.flatnonzero((array < 0) | (array > np.iinfo(np.int64).max))
    if wrong.size:
        raise DataError(f"the {what} hold the label {array[wrong[0]]} at index {wrong[0]}; labels start at 0")
    return array.astype(np.int64)


def check_range(targets: np.ndarray, count: int, what: str) -> None:
    """Refuse a class number that has no class.

    Args:
        targets: Classes, int64 [N].
        count: The number of classes.
        what: How an error names them.

    Raises:
        DataError: A label is `count` or more.
    """
    wrong = np.flatnonzero(targets >= count)
    if wrong.size:
        raise DataError(
            f"the {what} hold the label {targets[wrong[0]]} at index {wrong[0]}; "
            f"with {count} classes labels are 0 to {count - 1}"
        )


def numbered_labels(targets: np.ndarray, what: str) -> tuple[str, ...]:
    """Name the classes of training targets by their numbers.

    Args:
        targets: Classes, int64 [N].
        what: How an error names them.

    Returns:
        "0", "1", ... up to the largest class.

    Raises:
        DataError: A number below the largest never occurs, which is what a stray label looks like.
    """
    found = np.unique(targets)
    missing = np.flatnonzero(found != np.arange(len(found)))
    if missing.size:
        raise DataError(
            f"the {what} hold the label {found[-1]} but never {missing[0]}; "
            "labels must be 0 to classes - 1 without a gap, unless the data set names its classes"
        )
    return tuple(str(number) for number in range(len(found)))


def labels(values: object, what: str) -> tuple[str, ...]:
    """Check the names of the classes.

    Args:
        values: A sequence of different strings.
        what: How an error names them.

    Returns:
        The names.

    Raises:
        DataError: They are not a sequence of different strings.
    """
    listed = values if isinstance(values, Sequence) and not isinstance(values, str | bytes) else None
    if listed is None or not all(isinstance(name, str) for name in listed) or len(set(listed)) != len(listed):
        raise DataError(f"the {what} are {values!r}, but must be a list of different strings, one for each class")
    return tuple(listed)


def quantities(values: object, samples: int, what: str) -> np.ndarray:
    """Check regression targets.

    Args:
        values: Array-like [N] or [N, D], raw units.
        samples: N, the number of inputs they belong to.
        what: How an error names them.

    Returns:
        The targets, float32 [N, D] (D = 1 for [N]).

    Raises:
        DataError: They are not numbers, not one row per input, NaN or infinite.
    """
    array = numbers(values, what)
    if array.ndim not in {1, 2} or len(array) != samples or 0 in array.shape:
        raise DataError(
            f"the {what} have shape {array.shape}, but {samples} inputs need shape ({samples},) or ({samples}, D)"
        )
    return _finite(array.reshape(samples, -1), what)


def numbers(values: object, what: str) -> np.ndarray:
    """Read anything array-like (lists, arrays, tensors on the processor) as one array of numbers.

    Args:
        values: Array-like.
        what: How an error names them.

    Returns:
        An array of booleans, whole numbers or floating point numbers.

    Raises:
        DataError: It is ragged, or holds something else than numbers.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"the {what} cannot be read as one array of numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"the {what} have dtype {array.dtype}, but must be numbers (float32, uint8, int64)")
    return array


def _finite(array: np.ndarray, what: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrowed = array.astype(np.float32)
    if not np.isfinite(narrowed).all():
        where = tuple(np.argwhere(~np.isfinite(narrowed))[0].tolist())
        raise DataError(f"the {what} hold {array[where]} at index {where}; every value must be finite in float32")
    return narrowed
