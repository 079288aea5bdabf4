"""The keys of a recipe, from the dataclasses that it is read into: the tables of docs/recipe.md.

A key's meaning is what the `Attributes:` of its own table say, or else those of the library's settings that it mirrors.
"""

import re
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import bitsback
from bench.docstrings import read
from bench.markdown import table
from bitsback import toml
from bitsback.errors import DataError
from bitsback.given.dataset import DataSettings
from bitsback.measure.latency import LatencySettings
from bitsback.posterior.distillation import Distillation
from bitsback.recipe import inference as asked
from bitsback.recipe import sections
from bitsback.recipe.compression import Target

# A table of the recipe, and the library's settings that some of its keys are.
MIRRORS: dict[type, tuple[type, ...]] = {
    sections.Recipe: (bitsback.FitSettings,),
    sections.Data: (DataSettings,),
    sections.Network: (),
    asked.MeanField: (bitsback.MeanField,),
    asked.MixturePrior: (bitsback.ScaleMixture,),
    asked.NormalPrior: (bitsback.Normal,),
    asked.Point: (bitsback.Point,),
    asked.CodeLength: (bitsback.CodeLength,),
    asked.Sqs: (bitsback.Sqs,),
    asked.SgMcmc: (bitsback.SgMcmc,),
    asked.Hmc: (bitsback.Hmc,),
    asked.McDropout: (bitsback.McDropout,),
    asked.DeepEnsemble: (bitsback.DeepEnsemble,),
    asked.SnapshotEnsemble: (bitsback.SnapshotEnsemble,),
    asked.Imported: (),
    sections.Fit: (bitsback.FitSettings, bitsback.Optimization),
    sections.Compress: (),
    Target: (Distillation, bitsback.CodeLength),
    bitsback.Policy: (),
    bitsback.Choice: (),
    sections.Form: (),
    sections.Abstain: (bitsback.Promise,),
    sections.Evaluate: (),
    sections.Measure: (LatencySettings,),
}
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", types.NoneType: ""}
_LISTED = {int: "whole numbers", float: "numbers", str: "texts"}


def meaning(kind: type, key: str) -> str:
    """What is said of a key.

    Args:
        kind: The table's dataclass.
        key: One of its fields.

    Raises:
        DataError: Nothing is said of it, or it is said twice.
    """
    said = [read(each).items.get("Attributes", {}).get(key) for each in (kind, *MIRRORS[kind])]
    found = [text for text in said if text]
    if len(found) != 1:
        raise DataError(f"The key {key!r} of {kind.__name__} is explained {len(found)} times; it must be once.")
    return found[0]


def keys(kind: type) -> str:
    """The table of a dataclass: each key with its type, default and meaning."""
    hints = get_type_hints(kind)
    rows = [
        [f"`{each.name}`", kind_of(hints[each.name]), _default(each), _sentence(meaning(kind, each.name))]
        for each in fields(kind)
    ]
    return table(["key", "type", "default", "meaning"], rows).replace("---:", "---")


def kind_of(hint: Any) -> str:
    """A type as a writer of TOML knows it."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f'`"{each}"`' for each in parts)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(filter(None, map(kind_of, parts))))
    if origin is tuple:
        return f"list of {_LISTED.get(parts[0]) or kind_of(parts[0])}"
    return "table" if origin is dict or is_dataclass(hint) else _WORDS[hint]


def _default(each: Field[Any]) -> str:
    value = each.default if each.default_factory is MISSING else each.default_factory()
    if value is None or is_dataclass(value):
        return ""
    return "`{}`" if value == {} else f"`{toml.dumps({'x': value}).strip().removeprefix('x = ')}`"


def _sentence(text: str) -> str:
    """As a cell: what stands in quotes as code, no bar, and Python's None as what it is in a recipe."""
    marked = re.sub(r'(?<!`)"([^"`]+)"(?!`)', r'`"\1"`', text.rstrip(".")).replace("|", r"\|")
    marked = re.sub(r"\bNone\b", "left out", marked)
    return marked[0].upper() + marked[1:] if marked[0].isascii() else marked


def example(name: str) -> str:
    """A recipe of examples/recipes as a block that is written into a file before the document's commands are run."""
    text = (Path(__file__).parents[1] / "examples" / "recipes" / name).read_text(encoding="utf-8")
    return f"```toml {name}\n{text}```"


PLACES: dict[str, Callable[[], str]] = {
    **{f"recipe_{kind.__name__}": partial(keys, kind) for kind in MIRRORS},
    "example_digits": partial(example, "digits.toml"),
}
