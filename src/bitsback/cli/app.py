"""The application: its commands, and what becomes of errors."""

import errno
import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from bitsback import __version__
from bitsback.cli import device, host
from bitsback.errors import BitsbackError

FAILED, INTERRUPTED = 2, 130


class Commands(TyperGroup):
    """The commands, none of which ends in a traceback for what a user can do wrong."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for.

        Raises:
            Exit: With 2, after one line on stderr, where it could not be done; with 130 where it was interrupted.
        """
        try:
            return super().invoke(ctx)
        except BitsbackError as error:
            _fail(" ".join(str(error).split()))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has seen enough
            raise typer.Exit(0) from None
        except OSError as error:
            full = error.errno == errno.ENOSPC
            advice = "; free some space and run the same command again: nothing is lost" if full else ""
            _fail(f"{error.filename or 'a file'}: {error.strerror or error}{advice}")
        except KeyboardInterrupt:
            typer.echo(f"interrupted; the same command goes on where it can: {ctx.obj}", err=True)
            raise typer.Exit(INTERRUPTED) from None


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"error: {sentence}", err=True)
    raise typer.Exit(FAILED) from None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Turn a PyTorch network into a small program that knows when it does not know.\n\n"
        "Try it: bitsback demo. A run is fit, compress, evaluate, pack, measure, report, each leaving its result in the "
        "run folder; `run` does them all from a recipe."
    ),
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bitsback {__version__}")
        raise typer.Exit


@app.callback()
def _bitsback(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    del version


for _name, _command in {**host.COMMANDS, **device.COMMANDS}.items():
    app.command(_name)(_command)
