"""Options that belong together: a command takes them as one dataclass, and the parser sees the dataclass's fields."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import wraps
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command as Typer takes it.

    Args:
        command: Has parameters that are dataclasses; each of their fields is an option, annotated as a parameter would be, with
            a default, and with a name that no other has.
    """
    whole = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: each.annotation for name, each in whole.items() if is_dataclass(each.annotation)}
    options = {name: [*_options(kind)] for name, kind in groups.items()}

    @wraps(command)
    def flat(**given: Any) -> None:
        made = {
            name: kind(**{each.name: given.pop(each.name) for each in options[name]}) for name, kind in groups.items()
        }
        command(**given, **made)

    parameters = [one for name, each in whole.items() for one in options.get(name, [each])]
    flat.__dict__["__signature__"] = inspect.Signature(parameters)
    flat.__annotations__ = {each.name: each.annotation for each in parameters}
    return flat


def _options(kind: Any) -> Iterator[inspect.Parameter]:
    for each in inspect.signature(kind, eval_str=True).parameters.values():
        yield each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
