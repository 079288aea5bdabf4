"""What every program gives for a batch, whichever engine ran it: the shape of an answer, and what fits it."""

from typing import Protocol

import numpy as np

from bitsback.errors import DataError


class Outputs(Protocol):
    """A batch's prediction and its three uncertainties (a session's output and a predictor's both are one).

    Classification: `mean` holds probabilities, the uncertainties are entropies in nats: `total` that of the mean,
    `data` the members' mean entropy, `knowledge` the mutual information between them. Regression: `mean` is in target
    units, the uncertainties are variances in squared target units, summed over the D targets. Always
    total = data + knowledge.
    """

    @property
    def mean(self) -> np.ndarray:
        """[N, C] class probabilities, or [N, D] target means."""
        ...

    @property
    def total(self) -> np.ndarray:
        """[N] all of the uncertainty."""
        ...

    @property
    def data(self) -> np.ndarray:
        """[N] the part that no more data would remove."""
        ...

    @property
    def knowledge(self) -> np.ndarray:
        """[N] the part that more data would remove."""
        ...


def residuals(outputs: Outputs, targets: np.ndarray) -> np.ndarray:
    """A regression's mean − target.

    Args:
        outputs: the program's.
        targets: [N, D] or, for D = 1, [N], in target units.

    Returns:
        [N, D] float64, in target units.

    Raises:
        DataError: the arrays do not fit together or are not finite.
    """
    check_lengths(outputs, targets)
    check_finite(outputs)
    shaped = targets.reshape(len(targets), -1)
    if shaped.shape != outputs.mean.shape:
        raise DataError(
            f"the targets have shape {targets.shape} and the program's means {outputs.mean.shape}; they must agree"
        )
    return outputs.mean.astype(np.float64) - shaped


def check_labels(outputs: Outputs, labels: np.ndarray) -> None:
    """Refuse labels that are not the program's classes, one for each output.

    Args:
        outputs: a classifier's.
        labels: [N].

    Raises:
        DataError: the arrays do not fit together or are not finite, or a label is not an integer from 0 to C−1.
    """
    check_lengths(outputs, labels)
    check_finite(outputs)
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        raise DataError(f"the labels are {labels.dtype} of shape {labels.shape}; they must be integers of shape [N]")
    low, high, classes = labels.min(), labels.max(), outputs.mean.shape[1]
    if low < 0 or high >= classes:
        raise DataError(f"the labels go from {low} to {high}; the program has the classes 0 to {classes - 1}")


def check_lengths(outputs: Outputs, targets: np.ndarray) -> None:
    """Refuse a set without a sample, or with more or fewer targets than outputs.

    Raises:
        DataError: the lengths differ or are zero.
    """
    lengths = {name: len(getattr(outputs, name)) for name in ("mean", "total", "knowledge")}
    if len(targets) == 0 or set(lengths.values()) != {len(targets)}:
        raise DataError(f"there are {len(targets)} targets for outputs of lengths {lengths}; there must be one each")


def check_finite(outputs: Outputs) -> None:
    """Refuse NaN and infinity.

    Raises:
        DataError: an output holds one.
    """
    for name in ("mean", "total", "knowledge"):
        if not np.isfinite(getattr(outputs, name)).all():
            raise DataError(f"the program's output {name!r} holds NaN or infinity; quality needs finite numbers")
