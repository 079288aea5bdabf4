"""The application: all commands, each one defined in one place."""

from typing import Any

import typer
from typer.core import TyperGroup

from bitsback import __version__
from bitsback.cli import device, devices, host
from bitsback.cli.failures import one_line
from bitsback.cli.options import TYPED
from bitsback.cli.usage import usage


class Commands(TyperGroup):
    """The commands, none of which ends in more than one line for what a user can do wrong."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command; without any word it is the help that is shown."""
        if not args:
            return super().parse_args(ctx, args)
        with one_line(str(ctx.obj)), usage():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        TYPED.set(str(ctx.obj))
        with one_line(str(ctx.obj)), usage():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
app.add_typer(devices.app, name="device")
