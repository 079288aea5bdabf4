"""The public Python names, from their signatures and docstrings: the references of docs/python.md."""

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import Any, get_type_hints

import bitsback
from bench.docstrings import read
from bitsback.given.dataset import Dataset
from bitsback.run.fitted import FittedNetwork
from bitsback.runtime.predictor import Answer, Prediction, Predictor

_WIDTH = 100


def signature(name: str, thing: Any) -> str:
    """How a function or class is called, with types and defaults; one argument a line where it is long.

    Args:
        name: What to call it.
        thing: The function or class.
    """
    hints = get_type_hints(vars(thing)["__init__"] if inspect.isclass(thing) else thing)
    made = {each.name: each.default_factory for each in fields(thing)} if is_dataclass(thing) else {}
    words: list[str] = []
    for each in inspect.signature(thing).parameters.values():
        if each.name == "self":
            continue
        star = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        if each.kind is each.KEYWORD_ONLY and not any(word.startswith("*") for word in words):
            words.append("*")
        words.append(f"{star}{each.name}: {named(hints[each.name])}{_default(each, made.get(each.name, MISSING))}")
    given = "" if inspect.isclass(thing) else f" -> {named(hints['return'])}"
    line = f"{name}({', '.join(words)}){given}"
    return line if len(line) <= _WIDTH else f"{name}(\n    " + ",\n    ".join(words) + f",\n){given}"


def named(hint: Any) -> str:
    """A type without the modules that its parts are from."""
    whole = re.sub(r"\b(?:\w+\.)+(?=\w)", "", inspect.formatannotation(hint))
    whole = re.sub(r"Optional\[(Literal\[[^]]*\])\]", r"\1 | None", whole)
    return whole.replace("NoneType", "None").replace("'", '"')


def _default(each: inspect.Parameter, factory: Any) -> str:
    if factory is not MISSING:
        return f" = {'{}' if factory is dict else f'{factory.__name__}()'}"
    return "" if each.default is each.empty else f" = {each.default!r}".replace("'", '"')


def reference(name: str, thing: Any, *, called: bool = True) -> str:
    """What stands under a name: how it is called, what it is for, and what its parts mean.

    Args:
        name: What to call it.
        thing: A function or class.
        called: Whether a user calls it; else it is only given.
    """
    said = read(thing)
    parts = [f"```py\n{signature(name, thing)}\n```"] if called else []
    parts.append(said.text)
    known = said.items.get("Args", {}) | said.items.get("Attributes", {})
    if not called:
        known |= {key: read(each.fget).text for key, each in vars(thing).items() if isinstance(each, property)}
    parts.append("\n".join(f"- `{key}`: {text}" for key, text in known.items()))
    parts.append(f"Returns: {said.returns}" if said.returns else "")
    raised = [f"`{error}`: {text}" for error, text in said.items.get("Raises", {}).items()]
    parts.append(f"Raises: {' '.join(raised)}" if raised else "")
    return "\n\n".join(part for part in parts if part)


NAMES = [name for name in bitsback.__all__ if not name.startswith("__")]
GIVEN = (Dataset, FittedNetwork, Prediction, Answer)
PLACES: dict[str, Callable[[], str]] = {
    **{f"python_{name}": partial(reference, f"bitsback.{name}", getattr(bitsback, name)) for name in NAMES},
    **{f"python_{kind.__name__}": partial(reference, kind.__name__, kind, called=False) for kind in GIVEN},
    "python_predict": partial(reference, "predictor.predict", Predictor.predict),
}
