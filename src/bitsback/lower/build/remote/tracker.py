"""A tracker: knows the devices of a network, and hands a free one to whoever asks.

It speaks the protocol of TVM's own tracker (which needs tornado, and this one nothing), so that TVM's servers register at
either. Messages are a little-endian int32 of the length, and JSON.
"""

import json
import select
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bitsback.errors import DeviceError, reason
from bitsback.lower.build.remote.address import Endpoint

MAGIC = 0x2F271
SUCCESS, PING, PUT, REQUEST, INFO, SUMMARY, PENDING = 0, 1, 3, 4, 5, 6, 7
_LONGEST = 1 << 20  # bytes of a message
_GLANCE = 0.5  # seconds after which a client that waits is looked at: is it still there?


@dataclass(frozen=True)
class Registered:
    """The devices of one key.

    Attributes:
        key: What the tracker knows them by.
        endpoints: Where their servers are.
        free: How many of them measure nothing.
        waiting: How many clients wait for one.
    """

    key: str
    endpoints: tuple[Endpoint, ...]
    free: int
    waiting: int


def registered(tracker: Endpoint, seconds: float) -> list[Registered]:
    """What a tracker knows, by key.

    Args:
        tracker: Where it is.
        seconds: How long it is waited for.

    Raises:
        DeviceError: There is none.
    """
    said = _asked(tracker, [SUMMARY], seconds, seconds)
    found: dict[str, list[Endpoint]] = {}
    try:
        for each in said["server_info"]:
            found.setdefault(each["key"].removeprefix("server:"), []).append(Endpoint(*each["addr"]))
        queues = {key: said["queue_info"].get(key, {"free": 0, "pending": 0}) for key in found}
        return [
            Registered(key, tuple(there), queues[key]["free"], queues[key]["pending"])
            for key, there in sorted(found.items())
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise DeviceError(f"{tracker} answers as no tracker does: {str(said)[:80]!r}") from error


def is_tracker(there: Endpoint, seconds: float) -> bool:
    """Whether what listens somewhere answers as a tracker does, within so many seconds."""
    try:
        registered(there, seconds)
    except DeviceError:
        return False
    return True


def requested(tracker: Endpoint, key: str, connect: float, patience: float) -> tuple[Endpoint, str] | None:
    """A free device and the word that it lets one in for; None where none is free within `patience` seconds.

    Raises:
        DeviceError: There is no tracker, or it answers as none does.
    """
    found = _asked(tracker, [REQUEST, key, "", 1], connect, patience)
    if found is None:
        return None
    if not isinstance(found, list) or [type(each) for each in found] != [str, int, str]:
        raise DeviceError(f"{tracker} answers as no tracker does: {str(found)[:80]!r}")
    host, port, word = found
    return Endpoint(host, port), word


def serve(listening: Endpoint, ready: Callable[[Endpoint], None]) -> None:
    """Be a tracker until interrupted.

    Args:
        listening: Where; port 0 for any.
        ready: Is told where.

    Raises:
        DeviceError: Nobody can listen there.
    """
    try:
        server = _Server(listening)
    except (OSError, UnicodeError) as error:  # the second of a host that is no name
        raise DeviceError(f"nobody can listen at {listening}: {reason(error)}") from error
    with server:
        ready(Endpoint(str(server.server_address[0]), server.server_address[1]))
        server.serve_forever(poll_interval=0.1)


def _asked(tracker: Endpoint, message: list[Any], connect: float, patience: float) -> Any:
    """What a tracker answers; None where it says nothing for `patience` seconds.

    Raises:
        DeviceError: There is none, or it answers as none does.
    """
    try:
        with socket.create_connection((tracker.host, tracker.port), connect) as there:
            there.sendall(struct.pack("<i", MAGIC))
            if _exactly(there, 4) != struct.pack("<i", MAGIC):
                raise DeviceError(f"what listens at {tracker} is no tracker")
            _send(there, message)
            ready, _, _ = select.select([there], [], [], patience)
            found = _receive(there) if ready else [SUCCESS, None]
    except (OSError, EOFError, ValueError) as error:
        raise DeviceError(f"no tracker answers at {tracker}: {reason(error) or 'it hung up'}") from error
    if not isinstance(found, list) or len(found) != 2 or found[0] != SUCCESS:
        raise DeviceError(f"the tracker at {tracker} answers {str(found)[:80]!r}")
    return found[1]


@dataclass(frozen=True, eq=False)
class _Offer:
    owner: "_Connection"
    key: str
    at: tuple[str, int, str]  # host, port, word


class _Server(socketserver.ThreadingTCPServer):
    """What all connections share, under one lock."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, listening: Endpoint) -> None:
        at = (listening.host, listening.port)
        self.address_family = socket.getaddrinfo(*at, type=socket.SOCK_STREAM)[0][0]
        super().__init__(at, _Connection)
        self.changed = threading.Condition()
        self.offers: list[_Offer] = []
        self.waiting: list[str] = []
        self.servers: dict[_Connection, dict[str, Any]] = {}


class _Connection(socketserver.BaseRequestHandler):
    """A device's server, or a client."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        """Answer until it leaves, and forget what it offered."""
        try:
            if struct.unpack("<i", _exactly(self.request, 4))[0] == MAGIC:
                self.request.sendall(struct.pack("<i", MAGIC))
                while True:
                    _send(self.request, self._answer(*_receive(self.request)))
        except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError):
            pass  # it left, or does not speak as one should
        finally:
            with self.server.changed:
                self.server.offers = [each for each in self.server.offers if each.owner is not self]
                self.server.servers.pop(self, None)

    def _answer(self, code: int, *said: Any) -> Any:
        answers: dict[int, Callable[..., Any]] = {
            PING: lambda: SUCCESS, PUT: self._put, REQUEST: self._request, INFO: self._info, SUMMARY: self._summary,
            PENDING: lambda: [each.at[2] for each in self.server.offers if each.owner is self],
        }  # fmt: skip
        return answers[code](*said)

    def _put(self, key: str, at: tuple[int, str], host: str | None = None) -> int:
        with self.server.changed:
            self.server.offers.append(_Offer(self, key, (host or self.client_address[0], *at)))
            self.server.changed.notify_all()
        return SUCCESS

    def _request(self, key: str, *_: Any) -> Any:
        shared = self.server
        with shared.changed:
            shared.waiting.append(key)
            try:
                while (found := next((each for each in shared.offers if each.key == key), None)) is None:
                    shared.changed.wait(_GLANCE)
                    self._check_there()
                shared.offers.remove(found)
            finally:
                shared.waiting.remove(key)
        return [SUCCESS, found.at]

    def _check_there(self) -> None:
        """See that the client still waits.

        Raises:
            EOFError: It has hung up.
        """
        if select.select([self.request], [], [], 0)[0] and not self.request.recv(1, socket.MSG_PEEK):
            raise EOFError

    def _info(self, said: dict[str, Any]) -> int:
        host, port = said["addr"]
        with self.server.changed:
            self.server.servers[self] = {"key": said["key"], "addr": [host or self.client_address[0], port]}
        return SUCCESS

    def _summary(self) -> Any:
        shared = self.server
        with shared.changed:
            keys = {each["key"].removeprefix("server:") for each in shared.servers.values()} | {*shared.waiting}
            queues = {
                key: {"free": sum(each.key == key for each in shared.offers), "pending": shared.waiting.count(key)}
                for key in keys
            }
            return [SUCCESS, {"queue_info": queues, "server_info": [*shared.servers.values()]}]


def _send(there: socket.socket, message: Any) -> None:
    text = json.dumps(message).encode()
    there.sendall(struct.pack("<i", len(text)) + text)


def _receive(there: socket.socket) -> Any:
    (length,) = struct.unpack("<i", _exactly(there, 4))
    if not 0 <= length <= _LONGEST:
        raise ValueError(f"a message of {length} bytes")
    return json.loads(_exactly(there, length))


def _exactly(there: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        chunk = there.recv(count - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found
