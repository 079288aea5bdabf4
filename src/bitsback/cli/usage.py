"""What the parser says of words that it can make nothing of, as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from typer import BadParameter

from bitsback.errors import RecipeError

# The parent of all that a user can type wrongly; which module has it differs between versions of typer.
_UsageError = cast("type[Exception]", BadParameter.__base__)


@contextmanager
def usage() -> Iterator[None]:
    """Makes an error of ours of the parser's own, which is a box of three lines.

    Yields:
        Nothing.

    Raises:
        RecipeError: A command, an option or a value does not exist, is missing or is one too many.
    """
    try:
        yield
    except _UsageError as error:
        raise RecipeError(_sentence(error)) from error


def _sentence(error: Any) -> str:
    checked = getattr(error.__cause__, "errors", list)()
    if isinstance(error, BadParameter) and error.param is not None and checked:
        rule = error.message.partition(",")[0].replace("Input should be", "it must be")
        return f"{error.param.opts[0]} is {checked[0]['input']!r}; {rule}"
    said = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "bitsback"
    return f"{said[:1].lower()}{said[1:]}; `{command} --help` says what there is"
