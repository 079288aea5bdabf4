"""The devices that a user can name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bitsback.errors import RecipeError
from bitsback.lower.build.native.emulation.session import DEVICE as EMULATED
from bitsback.lower.build.native.emulation.session import TARGET, missing
from bitsback.lower.build.remote.address import SCHEME, Address, Endpoint, address
from bitsback.lower.build.remote.bench import RemoteBench
from bitsback.lower.build.remote.session import Limits
from bitsback.lower.build.remote.tracker import registered
from bitsback.lower.run.native.targets import runnable
from bitsback.measure.device import cpu_model
from bitsback.measure.native import Bench, Here

HERE = "cpu"
"""This machine."""
NEVER_TIMED = (
    f"{EMULATED} says what a library answers and never how long it takes, for an emulator's time is no processor's; time it "
    "on a device that is one"
)


@contextmanager
def bench(device: str, wait: float | None = None, tell: Callable[[str], None] = lambda _: None) -> Iterator[Bench]:
    """Where native libraries are timed, held meanwhile.

    Args:
        device: What a user wrote.
        wait: How long it is waited for while it is busy or gone, in seconds.
        tell: Is told when it is.

    Yields:
        The device.

    Raises:
        RecipeError: There is no such device, none that can be timed, or it is this machine and to be waited for.
        DeviceError: It is busy or gone.
        MissingExtraError: It is elsewhere, and TVM is not installed.
    """
    where = elsewhere(device, wait)
    if where is None:
        yield Here()
        return
    with RemoteBench(where, Limits(wait=wait or 0.0), tell) as found:
        yield found


@dataclass(frozen=True)
class Listed:
    """A device that there is.

    Attributes:
        device: What `--device` takes.
        processor: Its name; empty where nobody has asked it.
        at: Where those that a tracker knows listen.
        targets: What runs there; empty where nobody has asked it.
        state: Whether it can be had.
    """

    device: str
    processor: str
    at: str
    targets: tuple[str, ...]
    state: str


def listed(tracker: Endpoint | None) -> list[Listed]:
    """The devices of this machine, and those that a tracker hands out.

    Raises:
        DeviceError: There is no tracker.
    """
    lacking = missing()
    emulated = f"needs {', '.join(lacking)}" if lacking else "for answers, not for times"
    here = [
        Listed(HERE, cpu_model(), "", tuple(runnable()), "here"),
        Listed(EMULATED, "QEMU", "", (TARGET,), emulated),
    ]
    if tracker is None:
        return here
    return here + [
        Listed(
            str(Address(tracker, each.key)),
            "",
            ", ".join(map(str, each.endpoints)),
            (),
            _state(len(each.endpoints), each.free, each.waiting),
        )
        for each in registered(tracker, Limits.connect)
    ]


def elsewhere(device: str, wait: float | None) -> Address | None:
    """Where a device is; None for this machine.

    Args:
        device: What a user wrote.
        wait: How long it is to be waited for, in seconds.

    Raises:
        RecipeError: It is no device, none that can be timed, or this machine and to be waited for.
    """
    if device == HERE:
        if wait is not None:
            raise RecipeError(
                f"--wait {wait:g} goes with a device that is elsewhere, such as --device rpc://127.0.0.1:9090"
            )
        return None
    if device == EMULATED:
        raise RecipeError(NEVER_TIMED)
    if not device.startswith(SCHEME):
        raise RecipeError(
            f"there is no device {device!r:.80}; there is {HERE}, and there are rpc://HOST:PORT and rpc://TRACKER:PORT/KEY"
        )
    return address(device)


def _state(devices: int, free: int, waiting: int) -> str:
    said = ("free" if free else "busy") if devices == 1 else f"{free} of {devices} free"
    return f"{said}, {waiting} waiting" if waiting else said
