"""A data set that a user's function returns."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bitsback.errors import DataError, told
from bitsback.given import arrays
from bitsback.given.named import locate
from bitsback.given.source import Pair, Source, check_shape, classification, regression

_NEEDED = ("train", "test")
_OPTIONAL = ("labels", "out_of_distribution", "task")


def read(name: str) -> Source:
    """Call `package.module:function` or `file.py:function` without arguments and check what it returns.

    It returns a dict: "train" and "test", each a pair (inputs [N, *shape], targets [N] or [N, D]) of arrays or tensors;
    and if it likes "labels" (a list of names), "out_of_distribution" (inputs) and "task" ("classification" or
    "regression"; without it whole-number targets are classes).

    Args:
        name: The function.

    Returns:
        The checked set, named after the file or module and the function.

    Raises:
        DataError: There is no such function, it raises, or what it returns is not of this form.
    """
    function = locate(name, DataError)
    if not callable(function):
        raise DataError(f"'{name}' is {type(function).__name__}, but must be a function that returns a dict")
    try:
        returned = function()
    except (Exception, SystemExit) as failure:  # the user's function may raise anything
        raise DataError(f"'{name}' failed with {told(failure)}") from failure
    module, _, attribute = name.rpartition(":")
    short = f"{Path(module).name}:{attribute}"
    return _checked(_content(returned, name), short)


def _content(returned: object, name: str) -> dict[str, object]:
    if not isinstance(returned, Mapping):
        raise DataError(f"'{name}' returned {type(returned).__name__}, but must return a dict with 'train' and 'test'")
    missing = [key for key in _NEEDED if key not in returned]
    unknown = [key for key in returned if key not in _NEEDED + _OPTIONAL]
    if missing or unknown:
        raise DataError(
            f"'{name}' returned a dict with the keys {list(returned)}, but it must hold {list(_NEEDED)} "
            f"and may hold {list(_OPTIONAL)}"
        )
    return {str(key): value for key, value in returned.items()}


def _checked(content: dict[str, object], name: str) -> Source:
    train, test = _pair(content["train"], "train", name), _pair(content["test"], "test", name)
    task, labels = _task(content.get("task"), train[1], name), content.get("labels")
    if task == "regression":
        if labels:
            raise DataError(f"'{name}' gives labels {labels!r} with the task 'regression', which has no classes")
        source = regression(name, train, test)
    else:
        names = None if labels is None else arrays.labels(labels, f"labels of '{name}'")
        source = classification(name, train, test, names)
    outside = content.get("out_of_distribution")
    if outside is None:
        return source
    checked = arrays.inputs(outside, f"out-of-distribution inputs of '{name}'")
    check_shape(checked, source.train.inputs.shape[1:], f"out-of-distribution inputs of '{name}'")
    return replace(source, out_of_distribution=checked)


def _pair(part: object, key: str, name: str) -> Pair:
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise DataError(f"'{key}' of '{name}' is {type(part).__name__}, but must be a pair (inputs, targets)")
    return part[0], part[1]


def _task(given: object, targets: object, name: str) -> str:
    if given is None:
        return (
            "regression"
            if arrays.numbers(targets, f"training targets of '{name}'").dtype.kind == "f"
            else "classification"
        )
    if not isinstance(given, str) or given not in {"classification", "regression"}:
        raise DataError(f"the task of '{name}' is {given!r}, but must be 'classification' or 'regression'")
    return given
