"""What the public functions are given, seen before they compute: each wrong argument named in one sentence."""

from collections.abc import Sequence
from pathlib import Path

from bitsback.errors import RecipeError, RunError
from bitsback.given.dataset import Dataset
from bitsback.run.fitted import FittedNetwork
from bitsback.settings import check_path


def check_kind(name: str, value: object, kind: type, gives: str) -> None:
    """Refuse an argument that is of another type than a function takes.

    Args:
        name: The argument's.
        value: What was given.
        kind: What it must be an instance of.
        gives: What makes one.

    Raises:
        RecipeError: It is none.
    """
    if isinstance(value, type) or not isinstance(value, kind):
        given = f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
        raise RecipeError(f"{name} is {given}; it must be what {gives} gives")


def check_words(name: str, values: object) -> Sequence[str]:
    """Refuse what is no list or tuple of texts.

    Raises:
        RecipeError: It is none.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise RecipeError(f"{name} is {values!r}; it must be a list or tuple of texts")
    return values


def check_data(value: object) -> None:
    """Refuse what is no data set.

    Raises:
        RecipeError: It is none.
    """
    check_kind("data", value, Dataset, "bitsback.dataset")


def check_fitted(value: object, name: str = "fitted") -> None:
    """Refuse what is no fitted network.

    Raises:
        RecipeError: It is none.
    """
    check_kind(name, value, FittedNetwork, "bitsback.fit")


def checkpoint_path(path: str | Path | None) -> Path | None:
    """Where checkpoints go, if anywhere; a place where none can be written is refused before there is one to save.

    Raises:
        RecipeError: It is no path.
        RunError: There is no folder for it.
    """
    if path is None:
        return None
    check_path("checkpoint", path)
    if not Path(path).absolute().parent.is_dir():
        raise RunError(f"the checkpoint {path} cannot be written: there is no folder for it")
    return Path(path)
