"""A data set as it came, checked: a training part and a test part, not yet split further."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bitsback.errors import DataError
from bitsback.given import arrays

Task = Literal["classification", "regression"]
Pair = tuple[object, object]


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and targets of one part.

    Attributes:
        inputs: uint8 or float32 [N, *shape], raw units.
        targets: int64 [N] (classes) or float32 [N, D] (regression).
    """

    inputs: np.ndarray
    targets: np.ndarray

    def take(self, index: np.ndarray | slice) -> "Samples":
        """Return the samples that `index` (positions, a boolean mask or a slice) picks."""
        return Samples(self.inputs[index], self.targets[index])


@dataclass(frozen=True, eq=False)
class Source:
    """A whole data set before it is split.

    Attributes:
        name: What reports call it.
        task: "classification" or "regression".
        labels: The names of the classes; () for regression.
        train: The training part.
        test: The test part; it stays the test split.
        out_of_distribution: Inputs that the set itself brings along, or None.
        hold_out: The classes that are held out unless other ones are asked for.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    train: Samples
    test: Samples
    out_of_distribution: np.ndarray | None = None
    hold_out: tuple[int, ...] = ()


def classification(name: str, train: Pair, test: Pair, labels: Sequence[str] | None = None) -> Source:
    """Check a classification set.

    Args:
        name: What reports call it.
        train: Inputs [N, *shape] and classes [N].
        test: The same for the test part.
        labels: The names of the classes; numbers when None.

    Returns:
        The checked set.

    Raises:
        DataError: A part is empty, malformed, not finite, of another shape, or holds a label out of range.
    """
    train_inputs, test_inputs = _both_inputs(name, train[0], test[0])
    train_what, test_what = f"training targets of '{name}'", f"test targets of '{name}'"
    train_targets = arrays.classes(train[1], len(train_inputs), train_what)
    test_targets = arrays.classes(test[1], len(test_inputs), test_what)
    names = (
        arrays.labels(labels, f"labels of '{name}'") if labels else arrays.numbered_labels(train_targets, train_what)
    )
    if len(names) == 1:
        raise DataError(f"'{name}' has only the class {names[0]!r}, but classification needs at least two")
    arrays.check_range(train_targets, len(names), train_what)
    arrays.check_range(test_targets, len(names), test_what)
    return Source(
        name, "classification", names, Samples(train_inputs, train_targets), Samples(test_inputs, test_targets)
    )


def regression(name: str, train: Pair, test: Pair) -> Source:
    """Check a regression set.

    Args:
        name: What reports call it.
        train: Inputs [N, *shape] and targets [N] or [N, D].
        test: The same for the test part.

    Returns:
        The checked set.

    Raises:
        DataError: A part is empty, malformed, not finite or of another shape.
    """
    train_inputs, test_inputs = _both_inputs(name, train[0], test[0])
    train_targets = arrays.quantities(train[1], len(train_inputs), f"training targets of '{name}'")
    test_targets = arrays.quantities(test[1], len(test_inputs), f"test targets of '{name}'")
    if train_targets.shape[1] != test_targets.shape[1]:
        raise DataError(
            f"'{name}' has {train_targets.shape[1]} target(s) a sample in training "
            f"and {test_targets.shape[1]} in test; the two must be equal"
        )
    return Source(name, "regression", (), Samples(train_inputs, train_targets), Samples(test_inputs, test_targets))


def check_shape(inputs: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    """Refuse inputs whose samples have another shape than those of training.

    Args:
        inputs: Samples [N, *shape].
        shape: The shape of one training sample.
        what: How an error names the inputs.

    Raises:
        DataError: The shapes differ.
    """
    if inputs.shape[1:] != shape:
        raise DataError(f"the {what} have shape {inputs.shape[1:]} a sample, but the training inputs have {shape}")


def _both_inputs(name: str, train: object, test: object) -> tuple[np.ndarray, np.ndarray]:
    train_inputs = arrays.inputs(train, f"training inputs of '{name}'")
    test_inputs = arrays.inputs(test, f"test inputs of '{name}'")
    check_shape(test_inputs, train_inputs.shape[1:], f"test inputs of '{name}'")
    return train_inputs, test_inputs
