"""Seeded splits of a training part: what is held out by class, what validates, what calibrates, what trains."""

from dataclasses import dataclass, replace

import numpy as np

from bitsback.errors import DataError, RecipeError
from bitsback.given.source import Samples, Source


@dataclass(frozen=True, eq=False)
class Split:
    """The samples of one split.

    Attributes:
        inputs: float32 [N, *shape] in raw units (pixels 0 to 255; digits 0 to 16; features as measured).
        targets: int64 [N] (classes) or float32 [N, D] (regression).
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Draws:
    """Positions in the training part, each in ascending order; together they are the whole part.

    Attributes:
        train: int64 [N].
        validation: int64 [V].
        calibration: int64 [C].
    """

    train: np.ndarray
    validation: np.ndarray
    calibration: np.ndarray


def draw(samples: int, *, validation: float, calibration: float, seed: int) -> Draws:
    """Draw the validation and calibration splits from a training part without replacement.

    The validation split does not depend on how much is drawn for calibration.

    Args:
        samples: The size of the training part.
        validation: A share (float below 1) or a count (int); 0 for none.
        calibration: A share (float below 1) or a count (int); 0 for none.
        seed: Decides the draw.

    Returns:
        The positions.

    Raises:
        DataError: Nothing would be left to train on.
    """
    first, second = count(validation, samples), count(calibration, samples)
    if first + second >= samples:
        raise DataError(
            f"{first} validation and {second} calibration samples leave none of {samples} to train on; ask for fewer"
        )
    order = np.random.default_rng((seed, 2)).permutation(samples)
    return Draws(
        train=np.sort(order[first + second :]),
        validation=np.sort(order[:first]),
        calibration=np.sort(order[first : first + second]),
    )


def count(part: float, samples: int) -> int:
    """Turn a share or a count into a count.

    Args:
        part: A share of `samples` (float) or a count (int).
        samples: The whole.

    Returns:
        The count; a share is rounded.
    """
    return round(part * samples) if isinstance(part, float) else part


def hold_out(source: Source, held: tuple[int, ...]) -> tuple[Source, np.ndarray]:
    """Take whole classes out of a set; the others are numbered anew, in order, without a gap.

    Args:
        source: A set.
        held: Numbers of the classes to take out; () for none.

    Returns:
        The set without them, and all their inputs, uint8 or float32 [N, *shape], of training and test together.

    Raises:
        RecipeError: The set has no such class, or fewer than two would be left.
        DataError: Without them a part is empty.
    """
    if not held:
        return source, source.test.inputs[:0]
    wrong = [number for number in held if not 0 <= number < len(source.labels)]
    if wrong or len(set(held)) > len(source.labels) - 2:
        raise RecipeError(
            f"hold_out = {list(held)} does not fit '{source.name}', which has {len(source.labels)} classes: "
            "name some of them, counted from 0, and leave at least two"
        )
    keep = np.setdiff1d(np.arange(len(source.labels)), held)
    train, test = _only(source.train, keep), _only(source.test, keep)
    if not len(train.inputs) or not len(test.inputs):
        raise DataError(f"without the classes {list(held)} of '{source.name}' no training or no test samples are left")
    outside = [part.inputs[np.isin(part.targets, held)] for part in (source.train, source.test)]
    labels = tuple(source.labels[number] for number in keep)
    return replace(source, labels=labels, train=train, test=test), np.concatenate(outside)


def split(samples: Samples, index: np.ndarray | slice) -> Split:
    """Make a split of some samples.

    Args:
        samples: A part of a set.
        index: Positions, or a slice.

    Returns:
        Their inputs as float32 and their targets.
    """
    taken = samples.take(index)
    return Split(taken.inputs.astype(np.float32, copy=False), taken.targets)


def _only(samples: Samples, keep: np.ndarray) -> Samples:
    left = samples.take(np.isin(samples.targets, keep))
    return Samples(left.inputs, np.searchsorted(keep, left.targets).astype(np.int64))
