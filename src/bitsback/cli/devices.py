"""The commands about devices: serve this machine, keep track of several, list them."""

import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.cli.options import Json
from bitsback.cli.screen import show, table, warn
from bitsback.errors import RecipeError

if TYPE_CHECKING:
    from bitsback.lower.build.remote.address import Endpoint

LOOPBACK = "127.0.0.1"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Serve this machine to others that measure on it, and see which devices there are.",
)

Host = Annotated[
    str, typer.Option(help="The address to listen at. Whoever reaches it can run any code as you: see docs/devices.md.")
]
Port = Annotated[int, typer.Option(help="The port to listen at; 0 for any that is free.", min=0, max=65535)]
Tracker = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where `bitsback device tracker` listens.")]


@app.command()
def serve(
    *,
    host: Host = LOOPBACK,
    port: Port = 9090,
    tracker: Tracker = None,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="What the tracker is to know it by.")] = None,
    as_json: Json = False,
) -> None:
    """Let others measure on this machine, one at a time, until Ctrl-C.

    Example: bitsback device serve --port 9090
    """
    from bitsback.lower.build.compiler import need_compiler
    from bitsback.lower.build.remote.address import Address, Endpoint, endpoint
    from bitsback.lower.build.remote.session import Limits
    from bitsback.lower.build.remote.tracker import registered

    _check_registration(tracker, key)
    at = None if tracker is None else endpoint(tracker)
    need_compiler()
    if at is not None:
        registered(at, Limits.connect)
        _check_reachable(host, at)
    if sys.stderr.isatty() and not as_json:
        print("starting; TVM takes some seconds", file=sys.stderr)
    from bitsback.lower.build.remote.server import serve as serve_device

    def ready(there: Endpoint) -> None:
        _listening("device", str(Address(there)), host, as_json=as_json)

    with _until_stopped():
        serve_device(Endpoint(host, port), ready, warn, at, key or "")


@app.command()
def tracker(*, host: Host = LOOPBACK, port: Port = 9190, as_json: Json = False) -> None:
    """Keep track of devices that serve, and hand out a free one, until Ctrl-C.

    Example: bitsback device tracker --port 9190
    """
    from bitsback.lower.build.remote.address import Endpoint
    from bitsback.lower.build.remote.tracker import serve as serve_tracker

    with _until_stopped():
        serve_tracker(Endpoint(host, port), lambda there: _listening("tracker", str(there), host, as_json=as_json))


@app.command("list")
def list_(*, tracker: Tracker = None, as_json: Json = False) -> None:
    """List this machine, and the devices that a tracker hands out.

    Example: bitsback device list --tracker 127.0.0.1:9190
    """
    from bitsback.lower.build.remote.address import endpoint
    from bitsback.run.devices import listed

    found = listed(None if tracker is None else endpoint(tracker))
    body = [[each.device, each.processor, each.at, ", ".join(each.targets), each.state] for each in found]
    show(
        {"devices": [asdict(each) for each in found]},
        as_json=as_json,
        text=lambda: table(["device", "processor", "at", "runs", "state"], body),
    )


def _check_registration(tracker: str | None, key: str | None) -> None:
    """Refuse a tracker without a name for it, and the reverse.

    Raises:
        RecipeError: One is missing, or the name is none.
    """
    from bitsback.lower.build.remote.address import is_key

    if (tracker is None) != (key is None):
        raise RecipeError("--tracker and --key go together, as in --tracker 127.0.0.1:9190 --key board-1")
    if key is not None and not is_key(key):
        raise RecipeError(f"--key is {key!r:.120}; it must be up to 100 letters, digits, dots, - and _")


def _check_reachable(host: str, tracker: "Endpoint") -> None:
    """Refuse to be handed out where nobody could come: a tracker sends clients to the address that it sees a device come from.

    Raises:
        RecipeError: The device listens to its own machine alone, and the tracker is on another.
    """
    if _is_loopback(host) and not _is_loopback(tracker.host):
        raise RecipeError(
            f"--host {host} lets only this machine in, and the tracker at {tracker} would send others here; listen with --host "
            "at the address at which they come"
        )


def _is_loopback(host: str) -> bool:
    """Whether only this machine comes there."""
    try:
        return all(ipaddress.ip_address(found[4][0]).is_loopback for found in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):  # a name that leads nowhere, or that is none
        return False


def _listening(what: str, at: str, host: str, *, as_json: bool) -> None:
    if not _is_loopback(host):
        warn(f"whoever reaches {at} can run any code on this machine with your rights; let no stranger reach it")
    show({what: at}, as_json=as_json, text=lambda: f"{what} at {at}, until Ctrl-C")
    print(end="", flush=True)


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM the ordinary end.

    Yields:
        Nothing.
    """

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
