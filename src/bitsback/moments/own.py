"""A user's own rules for operators, which come before the library's."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch._ops import OpOverload

from bitsback.errors import RecipeError, told
from bitsback.given.named import locate
from bitsback.moments.rules import Rule


@dataclass(frozen=True)
class OwnRules:
    """Rules by operator.

    Attributes:
        rules: pairs of an operator and its rule, which takes what the operator takes.
        source: names the text of the file that they were read from, so that another text has another one; empty for rules that
            were given in Python.
    """

    rules: tuple[tuple[Any, Rule], ...] = field(default=(), repr=False)
    source: str = ""


def own_rules(given: object, called: str = "rules", source: str = "") -> OwnRules:
    """Rules that a user gives, checked.

    Args:
        given: a mapping from operators of a traced graph, such as `torch.ops.aten.erfinv.default`, to functions.
        called: what an error calls it.
        source: names their text.

    Raises:
        RecipeError: it is no such mapping.
    """
    if not isinstance(given, Mapping):
        raise RecipeError(f"{called} is {type(given).__name__}; it must be a dict from operators to functions")
    for operator, rule in given.items():
        if not isinstance(operator, OpOverload):
            raise RecipeError(
                f"{called} has a rule for {str(operator)!r}; it must be for an operator of the traced network, such as "
                "torch.ops.aten.erfinv.default"
            )
        if not callable(rule):
            raise RecipeError(f"{called} has {type(rule).__name__} as the rule of {operator}; it must be a function")
    return OwnRules(tuple(given.items()), source)


def read(name: str) -> OwnRules:
    """Rules by name, `file.py:name` or `package.module:name`: a mapping, or a function without arguments that returns one.

    Raises:
        RecipeError: there is nothing of that name, calling it fails, or it is no mapping from operators to functions.
    """
    found = locate(name, RecipeError, lambda each: callable(each) or isinstance(each, Mapping))
    if callable(found):
        try:
            found = found()
        except (Exception, SystemExit) as failure:  # the user's function may raise anything
            raise RecipeError(f"'{name}' failed with {told(failure)}") from failure
    return own_rules(found, f"'{name}'", _text(name))


def _text(name: str) -> str:
    module = name.rpartition(":")[0]
    path = module if module.endswith(".py") else sys.modules[module].__file__
    content = Path(path).read_bytes() if path else b""
    return hashlib.sha256(content + name.rpartition(":")[2].encode()).hexdigest()[:16]
