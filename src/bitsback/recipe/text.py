"""A recipe from TOML and back, every wrong key or value refused by name."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from bitsback import toml
from bitsback.errors import PolicyError, RecipeError, reason
from bitsback.given import named
from bitsback.policy.choice import Policy, from_toml
from bitsback.recipe.sections import Recipe

_METHODS = {
    "mean_field": "MeanField",
    "point": "Point",
    "code_length": "CodeLength",
    "sqs": "Sqs",
    "sghmc": "SgMcmc",
    "sgld": "SgMcmc",
    "hmc": "Hmc",
    "mc_dropout": "McDropout",
    "deep_ensemble": "DeepEnsemble",
    "snapshot_ensemble": "SnapshotEnsemble",
    "imported": "Imported",
}
_PRIORS = {"scale_mixture": "MixturePrior", "normal": "NormalPrior"}
_ALTERNATIVES = {"float", "int"}
_PATHS = (("data", "folder"), ("network", "weights"), ("compress", "masks"), ("inference", "posterior"))
_NAMES = (("data", "name"), ("network", "name"), ("form", "rules"))


def read(path: Path) -> Recipe:
    """Read a recipe; names of files (`file.py:name` too) and of the data's folder in it are relative to it.

    Raises:
        RecipeError: There is no such file, it is no TOML, or a key or a value in it is wrong.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"there is no recipe {path}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(f"the recipe {path} cannot be read as TOML: {reason(error)}") from error
    return parse(content, path.parent)


def parse(content: Mapping[str, Any], beside: Path = Path()) -> Recipe:
    """Turn tables, as `tomllib` gives them, into a recipe.

    Args:
        content: The tables.
        beside: The folder that names of files are relative to; in the recipe they are absolute.

    Raises:
        RecipeError: A key or a value is wrong; the sentence names it.
    """
    from pydantic import TypeAdapter, ValidationError

    others = _not_chosen(content)
    try:
        return TypeAdapter(Recipe).validate_json(json.dumps(_prepared(_with_kinds(content), beside), default=str))
    except ValidationError as error:
        raise RecipeError(_sentence(error.errors(include_url=False), others)) from error


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML, defaults written out; `parse` of it gives the recipe back."""
    return toml.dumps(tables(recipe))


def tables(recipe: Recipe) -> dict[str, Any]:
    """The recipe as tables, defaults written out; where nothing is fitted, without what would say how."""
    said = asdict(recipe)
    if recipe.inference.method == "imported":
        said["fit"] = {"threads": recipe.fit.threads}
        del said["temperature"]
    return said


def _prepared(content: Mapping[str, Any], beside: Path) -> dict[str, Any]:
    """Names of files made to lead there from anywhere, and the policy, which checks itself, written out."""
    found = dict(content)
    for part, key in (*_PATHS, *_NAMES):
        table = found.get(part)
        if isinstance(table, Mapping) and isinstance(table.get(key), str):
            value = table[key]
            if not value and (part, key) in _PATHS:
                found[part] = {name: each for name, each in table.items() if name != key}
                continue
            there = str(named.absolute(beside / value)) if (part, key) in _PATHS else named.beside(value, beside)
            found[part] = {**table, key: there}
    compress = found.get("compress")
    if isinstance(compress, Mapping) and compress.get("target") == {}:
        compress = found["compress"] = {key: value for key, value in compress.items() if key != "target"}
    if isinstance(compress, Mapping) and "policy" in compress:
        found["compress"] = {**compress, "policy": asdict(_policy(compress["policy"], beside))}
    return found


def _policy(found: object, beside: Path) -> Policy:
    try:
        if isinstance(found, str):
            return from_toml((beside / found).read_text("utf-8"))
        if not isinstance(found, Mapping):
            raise RecipeError(f"compress.policy is {found!r}; it must be a table, or the name of a file")
        return from_toml(toml.dumps(found))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(f"compress.policy names {found!r}, which cannot be read: {reason(error)}") from error
    except (PolicyError, TypeError) as error:
        raise RecipeError(f"compress.policy is wrong: {error}") from error


def _not_chosen(content: Mapping[str, Any]) -> set[str]:
    """The kinds of `inference` and of prior that are not asked for, so that errors do not speak of them.

    Raises:
        RecipeError: What is asked for is no such kind.
    """
    others: set[str] = set()
    table: Any = content
    for name, key, kinds in (("inference", "method", _METHODS), ("prior", "name", _PRIORS)):
        table = table.get(name) if isinstance(table, dict) else None
        asked = table.get(key, next(iter(kinds))) if isinstance(table, dict) else next(iter(kinds))
        if not isinstance(asked, str) or asked not in kinds:
            where = f"{name}.{key}" if name == "inference" else f"inference.{name}.{key}"
            raise RecipeError(f"{where} is {asked!r}; it must be one of {', '.join(kinds)}")
        others |= set(kinds.values()) - {kinds[asked]}
    return others


def _with_kinds(content: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with the kinds of `inference` and of prior written out, so that no other one is taken for its keys."""
    found = dict(content)
    inference = found.get("inference")
    if isinstance(inference, dict):
        found["inference"] = inference = {"method": next(iter(_METHODS)), **inference}
        if isinstance(inference.get("prior"), dict):
            inference["prior"] = {"name": next(iter(_PRIORS)), **inference["prior"]}
    return found


def _sentence(problems: list[Any], others: set[str]) -> str:
    """Names the first key that is wrong."""
    problem = next((each for each in problems if not others.intersection(map(str, each["loc"]))), problems[0])
    hidden = {*_METHODS.values(), *_PRIORS.values(), *_ALTERNATIVES}
    path = [str(part) for part in problem["loc"] if str(part) not in hidden]
    key = ".".join(path)
    if problem["type"] == "unexpected_keyword_argument":
        return f"'{key}' is no key of a recipe; {_there(path[:-1], others)}"
    expected = str(problem["msg"]).removeprefix("Input should be ").replace("an object", "a table")
    return f"{key} is {problem['input']!r}; it must be {expected}"


def _there(path: list[str], others: set[str]) -> str:
    kinds: list[Any] = [Recipe]
    for name in path:
        hints = [get_type_hints(kind).get(name) for kind in kinds]
        kinds = [each for hint in hints for each in (get_args(hint) or (hint,)) if is_dataclass(each)]
    names = dict.fromkeys(each.name for kind in kinds if kind.__name__ not in others for each in fields(kind))
    return f"there are {', '.join(names)}" if names else "it has no parts"
