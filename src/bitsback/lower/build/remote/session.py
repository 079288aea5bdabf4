"""One call of a device: TVM's client, with a relay before it that gives up in time."""

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from bitsback.errors import ArtifactError, DeviceError
from bitsback.lower.build.remote import relay as relay_file
from bitsback.lower.build.remote.address import Address, Endpoint
from bitsback.lower.build.remote.tracker import is_tracker, registered, requested
from bitsback.measure.workbench import PREFIX, Description, described


@dataclass(frozen=True)
class Limits:
    """How long a device is waited for, in seconds.

    Attributes:
        connect: Until it answers at all.
        call: Until it answers what it was asked.
        wait: While it is busy, or gone.
    """

    connect: float = 5.0
    call: float = 120.0
    wait: float = 0.0


class LostError(DeviceError):
    """A device is gone, and may come back."""


class Session:
    """A device, for as long as it is held: nobody else gets it meanwhile.

    Attributes:
        description: What it says of itself.
    """

    def __init__(self, address: Address, limits: Limits) -> None:
        from tvm import rpc  # takes seconds: before anybody waits for us

        self._address, self._limits, self._connect = address, limits, rpc.connect
        endpoint, word = _found(address, limits)
        token = secrets.token_hex(8)
        asked = {"host": endpoint.host, "port": endpoint.port, "key": word, "token": token, **_seconds(limits)}
        self._relay = subprocess.Popen(
            [sys.executable, "-I", relay_file.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            self._remote = self._answered(json.dumps(asked), token)
            self.description = self._describe()
        except BaseException:
            self.close()
            raise

    def call(self, name: str, *words: Any) -> Any:
        """Ask the device for one of the things that its workbench offers.

        Raises:
            LostError: It went away, or took too long.
            ArtifactError: It could not do it.
            DeviceError: It is no device of ours.
        """
        from tvm.error import RPCError

        try:
            return self._remote.get_function(PREFIX + name)(*words)
        except AttributeError:
            raise DeviceError(
                f"{self._address} is a TVM server that cannot say what it is; `bitsback device serve` starts one that can"
            ) from None
        except RPCError as error:
            said = str(error).partition("call:\n")[2].strip().partition("\n")[0]
            raise ArtifactError(f"{self._address} says: {said or error}") from error
        except Exception as error:  # TVM's are of many kinds when it is cut off
            self._lost(error)

    def close(self) -> None:
        """Let the device go."""
        self._remote: Any = None
        self._relay.kill()
        for pipe in (self._relay.stdin, self._relay.stdout):
            if pipe is not None:
                pipe.close()
        self._relay.wait()

    def _answered(self, asked: str, token: str) -> Any:
        """TVM's side of the relay, once the device has taken the call."""
        self._say(asked)
        word, _, rest = self._hear().partition(" ")
        if word != "port":
            self._refused(word, rest)
        try:
            return self._connect("127.0.0.1", int(rest), token)
        except Exception as error:
            self._lost(error)

    def _describe(self) -> Description:
        said = str(self.call("describe"))
        try:
            return described(said)
        except DeviceError as error:
            raise DeviceError(f"{self._address} is no device of ours: {error}") from error

    def _refused(self, word: str, rest: str) -> NoReturn:
        at, seconds = self._address, self._limits.connect + self._limits.wait
        if word in {"left", "foreign"} and at.key is None and is_tracker(at.endpoint, self._limits.connect):
            raise DeviceError(f"{at} is a tracker; name a device of it as rpc://HOST:PORT/KEY")
        if word in {"absent", "left"}:
            raise LostError(f"no device answers at {at}: {rest.lower() or 'it hung up'}")
        busy = f"it took no call within {seconds:g} s, and measures for one at a time; --wait SECONDS waits longer"
        said = {
            "busy": f"{at} is busy, or no TVM server: {busy}",
            "key": f"{at} is a tracker's; name it as rpc://TRACKER:PORT/KEY",
        }
        raise DeviceError(said.get(word, f"what listens at {at} is no TVM server; `bitsback device serve` starts one"))

    def _lost(self, error: Exception) -> NoReturn:
        try:
            self._relay.wait(2)
        except subprocess.TimeoutExpired:
            raise DeviceError(f"{self._address} cannot be used: {error}") from error
        slow = self._hear() == "slow"
        said = f"did not answer within {self._limits.call:g} s" if slow else "went away in the middle of it"
        raise LostError(f"{self._address} {said}") from error

    def _say(self, line: str) -> None:
        if self._relay.stdin is not None:
            print(line, file=self._relay.stdin, flush=True)

    def _hear(self) -> str:
        return "" if self._relay.stdout is None else self._relay.stdout.readline().strip()


def _found(address: Address, limits: Limits) -> tuple[Endpoint, str]:
    """Where a device is and the word that it lets one in for.

    Raises:
        LostError: The tracker does not know it.
        DeviceError: It is busy, or there is no tracker.
    """
    if address.key is None:
        return address.endpoint, ""
    known = [each.key for each in registered(address.endpoint, limits.connect)]
    if address.key not in known:
        raise LostError(
            f"the tracker at {address.endpoint} knows no {address.key!r}; it knows {', '.join(known) or 'no device'}"
        )
    found = requested(address.endpoint, address.key, limits.connect, limits.connect + limits.wait)
    if found is None:
        seconds = limits.connect + limits.wait
        raise DeviceError(f"{address} is busy: none was free within {seconds:g} s; --wait SECONDS waits longer")
    return found


def _seconds(limits: Limits) -> dict[str, float]:
    return {"connect": limits.connect, "patience": limits.connect + limits.wait, "call": limits.call}
