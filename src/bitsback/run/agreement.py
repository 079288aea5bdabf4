"""What a user names beside a packed file or a run, a seed or data, and whether it is theirs. No torch is needed."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.artifact.manifest import Manifest
from bitsback.errors import DataError, RecipeError, RunError, reason
from bitsback.given import dataset, embedded
from bitsback.given.dataset import Dataset, DataSettings
from bitsback.given.folders import check_given, is_set
from bitsback.given.named import is_named
from bitsback.run.folder import RunFolder
from bitsback.run.identity import check_data


def recipe_of_run(run: RunFolder) -> dict[str, Any]:
    """A run's recipe as tables, read without pydantic.

    Raises:
        RunError: It is not there or cannot be read.
    """
    path = run.need("recipe", "fit")
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {reason(error)}") from error


def check_seed(path: Path, recipe: Mapping[str, Any], seed: int | None) -> None:
    """Refuse another seed than that with which something was made.

    Args:
        path: What was made.
        recipe: How it was made: a run's recipe, or the one in a manifest.
        seed: What is asked for; None asks for nothing.

    Raises:
        RunError: It was made with another seed, or does not say with which.
    """
    if seed is not None and recipe.get("seed") != seed:
        said = f"with seed = {recipe['seed']!r}" if "seed" in recipe else "with a seed that it does not tell"
        raise RunError(f"{path} was made {said} and not {seed}; leave out --seed, or name what was made with that one")


def data_of_run(run: RunFolder, folder: Path) -> Dataset:
    """The data that a run was fitted to, from a folder that the user names, or "digits" or "diabetes", which have none.

    Raises:
        DataError: They are not there, or malformed.
        RunError: These are other data.
        RecipeError: The recipe's settings do not fit them.
    """
    data = _loaded(recipe_of_run(run), folder)
    check_data(run, data)
    return data


def data_of_file(path: Path, manifest: Manifest, folder: Path) -> Dataset:
    """The data that a packed file was made of, or others that fit it, from a folder that the user names.

    The file may be a stranger's: where it says that a function of Python gave its data, that function is not called.

    Raises:
        DataError: They are not there or malformed, or the file's inputs or answers are others.
        RecipeError: What the manifest says of its data does not fit them.
    """
    recipe = dict(manifest.recipe)
    said = recipe.get("data")
    if isinstance(said, Mapping) and is_named(str(said.get("name"))):
        recipe["data"] = {**said, "name": None}
    data = _loaded(recipe, folder)
    for what, own, others in (
        ("inputs have the shape", manifest.input.shape, data.input_shape),
        ("task is", manifest.task, data.task),
        ("answers are", _answers(manifest.labels, manifest.outputs), _answers(data.labels, data.outputs)),
    ):
        if own != others:
            raise DataError(f"{path} does not fit the data '{data.name}': its {what} {own}, and theirs {others}")
    return data


def test_inputs(data: Dataset) -> np.ndarray:
    """The raw inputs of the test split [N, *shape], N at least 1.

    Raises:
        DataError: There are none.
    """
    if not len(data.test.inputs):
        raise DataError(f"the data set '{data.name}' has no test samples to take inputs from")
    return data.test.inputs


def _answers(labels: tuple[str, ...], outputs: int) -> str:
    return ", ".join(labels) or f"{outputs} targets"


def _loaded(recipe: Mapping[str, Any], folder: Path) -> Dataset:
    said, seed = recipe.get("data", {}), recipe.get("seed", 0)
    try:
        settings = {key: value for key, value in said.items() if key not in {"name", "folder"} and value is not None}
        if "hold_out" in settings:
            settings["hold_out"] = tuple(settings["hold_out"])
        chosen = DataSettings(**settings)
    except (TypeError, AttributeError) as error:
        raise RecipeError(f"what is said of the data, {str(said)[:80]}, is not of this version") from error
    name = said.get("name")
    if str(folder) in embedded.NAMES:
        return dataset.load(str(folder), seed=seed, settings=chosen)
    check_given(folder)
    if name in embedded.NAMES and not is_set(folder):
        raise DataError(
            f"the data '{name}' lie in no folder, so that {folder} cannot hold them; name them with --data {name}"
        )
    return dataset.load(name, data=folder, seed=seed, settings=chosen)
