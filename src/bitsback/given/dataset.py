"""A data set, ready for use: four splits, an out-of-distribution set, and the normalization of its training split.

```
digits | diabetes | a folder | a function ──► Source ──► hold_out ──► limit ──► draw ──► Dataset
     embedded       folders    user_function                splits.py
```

Nothing here needs torch.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitsback.errors import DataError, RecipeError, reason
from bitsback.given import embedded, folders, out_of_distribution, splits, user_function
from bitsback.given.named import absolute, is_named
from bitsback.given.normalization import Normalization, check_stated, measure, stated
from bitsback.given.source import Source, Task
from bitsback.given.splits import Split
from bitsback.settings import check_seed

__all__ = ["DataSettings", "Dataset", "Normalization", "Split", "load"]

DEFAULT = "digits"


@dataclass(frozen=True)
class DataSettings:
    """How a set is split.

    Attributes:
        validation: A share (a number below 1 with a point) or a count (a whole number) of the training part; 0 for none.
        calibration: The same.
        out_of_distribution: "auto", "held out", "given", "shuffled pixels", "shifted features" or the name of a set.
        hold_out: Numbers of classes, from 0, that are taken out of training and test and become the out-of-distribution
            set; empty for none. Without it, 8 and 9 of the digits and none of other sets.
        limit: Use only the first `limit` samples of the training part, at least 1, counted after `hold_out` and before any
            split is drawn; the test part is not cut.
        input_mean: What inputs are standardized by, in raw units: one number for all channels or features, or one for each;
            without it, what the training split has. For a network that was trained elsewhere, what it was trained with.
        input_std: The same, each above 0; it comes with `input_mean`.
        target_mean: As `input_mean`, for a regression's targets.
        target_std: As `input_std`, for a regression's targets.

    Raises:
        RecipeError: A value is of the wrong type or out of range.
    """

    validation: float | int = 0.1
    calibration: float | int = 0.1
    out_of_distribution: str = out_of_distribution.AUTO
    hold_out: tuple[int, ...] | None = None
    limit: int | None = None
    input_mean: tuple[float, ...] | None = None
    input_std: tuple[float, ...] | None = None
    target_mean: tuple[float, ...] | None = None
    target_std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("validation", "calibration"):
            value = getattr(self, name)
            right = (type(value) is int and value >= 0) or (isinstance(value, float) and 0 <= value < 1)
            if not right:
                raise RecipeError(f"{name} = {value!r} must be a share from 0.0 to below 1.0, or a count of samples")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise RecipeError(f"limit = {self.limit!r} must be a count of training samples, at least 1")
        if not isinstance(self.out_of_distribution, str):
            raise RecipeError(f"out_of_distribution = {self.out_of_distribution!r} must be a word, such as 'auto'")
        listed = self.hold_out is None or isinstance(self.hold_out, list | tuple)
        if not listed or not all(type(number) is int for number in self.hold_out or ()):
            raise RecipeError(f"hold_out = {self.hold_out!r} must be numbers of classes, such as (8, 9)")
        check_stated("input", self.input_mean, self.input_std)
        check_stated("target", self.target_mean, self.target_std)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory, in raw units.

    Attributes:
        name: What reports call it.
        task: "classification" or "regression".
        labels: The names of the classes; () for regression.
        train: What is trained on.
        validation: What choices are made on.
        calibration: What thresholds are set on.
        test: What is looked at once.
        out_of_distribution: float32 [N, *shape], inputs of another kind.
        out_of_distribution_name: What reports call them.
        normalization: Of the inputs of the training split, or as the settings state it.
        target_normalization: Of its targets, or as stated; None for classification.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    train: Split
    validation: Split
    calibration: Split
    test: Split
    out_of_distribution: np.ndarray
    out_of_distribution_name: str
    normalization: Normalization
    target_normalization: Normalization | None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, without the batch axis."""
        return self.train.inputs.shape[1:]

    @property
    def outputs(self) -> int:
        """The number of classes, or of regression targets."""
        return len(self.labels) if self.task == "classification" else self.train.targets.shape[1]


def load(
    name: str | None = None, *, data: Path | None = None, seed: int = 0, settings: DataSettings | None = None
) -> Dataset:
    """Load a data set and split it.

    Args:
        name: "digits", "diabetes", the name of a set's folder ("mnist", "fashion-mnist", ...), or a function as
            `package.module:function` or `file.py:function` (see `user_function.read`). None is the set that `data` is,
            or else the digits.
        data: A folder that is one set, or that holds named sets; the environment's `BITSBACK_DATA` when None. Names not
            found there are looked for in `/usr/share/datasets`. A folder that is one set also takes the place of the
            default name "digits".
        seed: Decides every draw: the same seed gives the same splits.
        settings: How it is split.

    Returns:
        The data set.

    Raises:
        DataError: The set is missing, malformed, or its content is refused.
        RecipeError: A setting does not fit the set.
        MissingExtraError: A reader needs a part of the installation that is not there.
    """
    settings = settings or DataSettings()
    check_seed(seed)
    try:
        source, places = _read(name, data, seed)
        return _split(source, places, seed, settings)
    except OSError as error:
        raise DataError(f"the data set '{name or DEFAULT}' cannot be read: {reason(error)}") from error


def _read(name: str | None, data: Path | None, seed: int) -> tuple[Source, tuple[Path, ...]]:
    given = Path(data) if data is not None else None
    if given is not None:
        folders.check_given(given)
    surroundings = Path(os.environ["BITSBACK_DATA"]) if os.environ.get("BITSBACK_DATA") else None
    root = given or surroundings
    places = (*([root, absolute(root).parent] if root else []), *folders.SYSTEM_FOLDERS)
    single = root is not None and folders.is_set(root)
    if root and single and (name is None or (name == DEFAULT and given)):
        return folders.read(folders.set_name(root), root), places
    name = name or DEFAULT
    if name in embedded.NAMES:
        return embedded.read(name, seed), places
    if is_named(name):
        return user_function.read(name), places
    return folders.read(folders.canonical(name), folders.find(name, root)), places


def _split(source: Source, places: tuple[Path, ...], seed: int, settings: DataSettings) -> Dataset:
    held_out = source.hold_out if settings.hold_out is None else settings.hold_out
    labels = source.labels
    source, held = splits.hold_out(source, held_out)
    source = replace(source, train=source.train.take(slice(settings.limit)))
    draws = splits.draw(
        len(source.train.inputs), validation=settings.validation, calibration=settings.calibration, seed=seed
    )
    train = splits.split(source.train, draws.train)
    normalization = measure(train.inputs)
    outside, outside_name = out_of_distribution.choose(
        settings.out_of_distribution,
        source,
        held=held,
        held_name=f"held-out classes {', '.join(labels[number] for number in held_out)}",
        normalization=normalization,
        places=places,
        seed=seed,
    )
    if settings.target_mean is not None and source.task == "classification":
        raise RecipeError(f"target_mean is {settings.target_mean!r}, and the targets of '{source.name}' are classes")
    targets = measure(train.targets) if source.task == "regression" else None
    return Dataset(
        name=source.name,
        task=source.task,
        labels=source.labels,
        train=train,
        validation=splits.split(source.train, draws.validation),
        calibration=splits.split(source.train, draws.calibration),
        test=splits.split(source.test, slice(None)),
        out_of_distribution=outside,
        out_of_distribution_name=outside_name,
        normalization=stated(settings.input_mean, settings.input_std, normalization),
        target_normalization=targets and stated(settings.target_mean, settings.target_std, targets),
    )
