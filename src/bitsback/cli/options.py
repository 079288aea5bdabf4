"""Options that several commands share, and the recipe that they make."""

import importlib.util
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from bitsback.recipe.sections import Recipe
    from bitsback.run.folder import RunFolder
    from bitsback.run.materials import Materials

_TORCH = ("torch", "onnx", "onnxscript", "pydantic", "safetensors")

# The keys beside them are those of one kind, and another begins anew: the outer one first, which empties the inner one.
_KINDS = ("inference.method", "inference.prior.name")

TYPED = ContextVar("TYPED", default="bitsback")  # the command as it was typed, for the journal

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int | None, typer.Option(help="Decides every draw: same seed, same result.", min=0)]
SameSeed = Annotated[int | None, typer.Option("--seed", help="Checks that the run has this seed.", min=0)]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="A folder that is one data set, or that holds named ones (mnist/).")
]
TimedData = Annotated[
    Path | None,
    typer.Option("--data", help="Data whose test samples are the inputs, in place of noise: their folder, or digits."),
]
Wait = Annotated[
    float | None, typer.Option(help="Seconds that a device is waited for while it is busy or gone.", min=0, max=1e6)
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe, such as fit.batch=50.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Start over: remove what an earlier run left in the folder, and nothing else.")
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]


def need_torch() -> None:
    """Refuse what the device install cannot do.

    Raises:
        MissingExtraError: PyTorch, or what comes with it, is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in _TORCH):
        raise MissingExtraError('this command needs PyTorch; install it with pip install "bitsback[torch]"')


def recipe_from(content: Mapping[str, Any], changes: Mapping[str, Any], settings: Sequence[str] | None) -> "Recipe":
    """A recipe with some keys changed.

    Args:
        content: The recipe as tables.
        changes: Values by dotted key; None leaves a key as it is.
        settings: `key=value` in TOML, as the user typed them.

    Raises:
        RecipeError: A key or a value is wrong, or is of another form than the one that predicts.
    """
    from bitsback.recipe.form import check_said
    from bitsback.recipe.text import parse

    merged = dict(content)
    for key, value in changes.items():
        if value is not None:
            merged = _with(merged, key.split("."), value)
    asked = [_setting(setting) for setting in settings or ()]
    first = {key: place for place, key in enumerate(_KINDS)}
    for key, value in sorted(asked, key=lambda each: first.get(each[0], len(first))):
        *table, name = path = key.split(".")
        anew = key in _KINDS and _found(merged, path) != value
        merged = _with(merged, table, {name: value}) if anew else _with(merged, path, value)
    recipe = parse(merged)
    for key in (*(key for key, value in changes.items() if value is not None), *(key for key, _ in asked)):
        check_said(key, recipe.predicts)
    return recipe


def content_of(path: Path) -> dict[str, Any]:
    """A recipe file as tables, names of files in it made to lead there from here.

    Raises:
        RecipeError: It is not there or not TOML.
    """
    from bitsback.recipe.text import read, to_toml

    return tomllib.loads(to_toml(read(path)))


def opened(
    folder: Path,
    changes: Mapping[str, Any],
    settings: Sequence[str] | None,
    check: Callable[["RunFolder", "Recipe"], None] = lambda *_: None,
) -> tuple["RunFolder", "Materials"]:
    """A run with its recipe changed in parts that do not touch the fitted posterior.

    Args:
        folder: Where the run is.
        changes: Values of the recipe by dotted key; None leaves a key as it is.
        settings: `key=value` in TOML, as the user typed them.
        check: Refuses what can be seen before the data are read and the network is traced.

    Raises:
        RunError: There is no run of this version in the folder, or a change would make it another run.
        RecipeError: A key or a value is wrong.
    """
    from bitsback.recipe.text import to_toml
    from bitsback.run.fit import check_same, recipe_of
    from bitsback.run.folder import open_run
    from bitsback.run.materials import gather

    made = open_run(folder, TYPED.get())
    recipe = recipe_from(tomllib.loads(to_toml(recipe_of(made))), changes, settings)
    check_same(folder, recipe)
    check(made, recipe)
    return made, gather(recipe)


def absolute(path: Path | None) -> str | None:
    """A path that still leads there when a later command runs elsewhere.

    Raises:
        RecipeError: It leads nowhere.
    """
    from bitsback.given.named import absolute as leading_there

    return None if path is None else str(leading_there(path))


def _found(table: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = table
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _with(table: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    inner = table.get(first)
    if rest:
        value = _with(inner if isinstance(inner, Mapping) else {}, rest, value)
    return {**table, first: value}


def _setting(text: str) -> tuple[str, Any]:
    key, found, value = text.partition("=")
    if not found or not key.strip():
        raise RecipeError(f"--set {text!r} is not of the form key=value, such as fit.batch=50")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
