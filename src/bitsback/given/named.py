"""What a user names: `package.module:name` or `file.py:name`."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from bitsback.errors import BitsbackError, RecipeError, reason, told


def is_named(name: str) -> bool:
    """Tell whether a name has the form `module:name`.

    Args:
        name: Any string.

    Returns:
        True where something stands on both sides of the last colon.
    """
    module, _, attribute = name.rpartition(":")
    return bool(module and attribute)


def beside(name: str, folder: Path) -> str:
    """Make `file.py:name` lead to its file from anywhere; any other name stays as it is.

    Args:
        name: Any string.
        folder: What the file's name is relative to.

    Returns:
        The name, its file's path absolute.
    """
    module, _, attribute = name.rpartition(":")
    return f"{absolute(folder / module)}:{attribute}" if attribute and module.endswith(".py") else name


def absolute(path: Path) -> Path:
    """A path that leads to the same place from anywhere.

    Raises:
        RecipeError: It holds what no path can, or is a link that leads to itself.
    """
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise RecipeError(f"{str(path)!r} is no path that leads anywhere: {reason(error)}") from error


def locate(name: str, error: type[BitsbackError], offers: Callable[[object], bool] = callable) -> object:
    """Import what a name stands for; modules beside the file, or in the working folder, can be imported by it.

    Args:
        name: `package.module:name` or `file.py:name`; `name` may have dots.
        error: What is raised when there is no such thing.
        offers: Tells what the caller could use, so that a wrong name is answered with the right ones.

    Returns:
        The object, whatever it is.

    Raises:
        BitsbackError: (as `error`) The file, the module or the name in it does not exist, or importing it fails.
    """
    if not is_named(name):
        raise error(f"'{name}' is not of the form package.module:name or file.py:name")
    module, _, attribute = name.rpartition(":")
    if module.endswith(".py") and not Path(module).is_file():
        raise error(f"there is no file {module!r} to take {attribute!r} from")
    try:
        found: object = _import_file(Path(module)) if module.endswith(".py") else _import_module(module)
    except (Exception, SystemExit) as failure:  # the user's module may raise anything, and end a script that it is
        raise error(f"'{module}' cannot be imported: {told(failure)}") from failure
    source = found
    for step in attribute.split("."):
        if not hasattr(found, step):
            there = ", ".join(_defined(source, offers)) or "nothing that could be meant"
            raise error(f"'{module}' has no '{attribute}'; it defines {there}")
        found = getattr(found, step)
    return found


def _defined(module: object, offers: Callable[[object], bool]) -> list[str]:
    """The names that a module defines itself, and that the caller could use."""
    here = getattr(module, "__name__", None)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and offers(value) and _made_in(value) in {here, None}
    ]


def _made_in(value: object) -> str | None:
    """The module of a class or a function; None of other values, which do not say where they were made, but typing's."""
    if isinstance(value, type) or inspect.isroutine(value) or type(value).__module__ == "typing":
        return getattr(value, "__module__", None)
    return None


def _import_file(path: Path) -> ModuleType:
    path = path.resolve()
    spec = importlib.util.spec_from_file_location(f"given_{path.stem}_{abs(hash(path)):x}", path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _import_module(name: str) -> ModuleType:
    with _importable(Path.cwd()):
        return importlib.import_module(name)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
