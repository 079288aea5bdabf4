"""Where a posterior that was made elsewhere comes from: a dict, a guide of Pyro, or a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bitsback.errors import NetworkError, RecipeError, first_line
from bitsback.posterior import pyro_guide
from bitsback.posterior.foreign import Foreign

_MOMENTS = "means and standard deviations"


def read(path: Path) -> Foreign:
    """Read a file: safetensors by its name, else a param store of Pyro.

    A safetensors file holds `mean.NAME` and `std.NAME` for what has a distribution, and `point.NAME` for what has one value.

    Raises:
        NetworkError: The file is missing, damaged, or holds anything else.
    """
    if not path.is_file():
        raise NetworkError(f"there is no posterior at {path}")
    return _read_safetensors(path) if path.suffix == ".safetensors" else pyro_guide.read_store(path)


def given(source: object) -> Foreign:
    """Take a posterior in memory, or read it.

    Args:
        source: A guide of Pyro, a path, or a dict: a pair (means, standard deviations) by name, or a single array for what
            has one value.

    Raises:
        NetworkError: It is damaged, or of a kind that is not known.
        RecipeError: It is none of these.
    """
    if isinstance(source, str | Path):
        return read(Path(source))
    if isinstance(source, Mapping):
        return _from_dict(source)
    if pyro_guide.is_guide(source):
        return pyro_guide.from_guide(source)
    raise RecipeError(
        f"source is of type {type(source).__name__}; it must be a guide of Pyro, the path of a file, or a dict of pairs "
        "(means, standard deviations)"
    )


def _from_dict(source: Mapping[Any, Any]) -> Foreign:
    pairs = {name: value for name, value in source.items() if isinstance(value, tuple)}
    for name, pair in pairs.items():
        if len(pair) != 2:
            raise RecipeError(
                f"source[{name!r}] is a tuple of {len(pair)}; it must be a pair (means, standard deviations)"
            )
    means, stds = ({name: _tensor(name, pair[part]) for name, pair in pairs.items()} for part in (0, 1))
    points = {name: _tensor(name, value) for name, value in source.items() if name not in pairs}
    return Foreign(_MOMENTS, means, stds, points)


def _tensor(name: object, value: object) -> Tensor:
    if not isinstance(name, str):
        raise RecipeError(f"source has the key {name!r}; keys are names of params")
    if isinstance(value, Mapping):
        raise RecipeError(f"source[{name!r}] is a dict; each value is a pair (means, standard deviations) or one array")
    try:
        return torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise RecipeError(f"source[{name!r}] is no array of numbers: {first_line(error)}") from error


def _read_safetensors(path: Path) -> Foreign:
    from safetensors.torch import load_file

    try:
        content = load_file(path, device="cpu")
    except Exception as error:  # damaged bytes make the loader raise many kinds
        raise NetworkError(f"{path} cannot be read as a safetensors file: {first_line(error)}") from error
    groups: dict[str, dict[str, Tensor]] = {"mean": {}, "std": {}, "point": {}}
    for key, value in content.items():
        group, _, name = key.partition(".")
        if group not in groups or not name:
            raise NetworkError(
                f"{path} holds '{key}'; there must be mean.NAME and std.NAME, and point.NAME for single values"
            )
        groups[group][name] = value
    single = groups["mean"].keys() ^ groups["std"].keys()
    if single:
        raise NetworkError(f"{path} has a mean or a standard deviation of '{min(single)}' and not both")
    return Foreign(_MOMENTS, groups["mean"], groups["std"], groups["point"])
