"""Stands between TVM's client and a device: that client waits for ever, and this one gives up in time.

It is a process of its own, of the standard library alone: TVM's client holds Python's lock in places where it waits, so that
no thread beside it could cut it off. On stdin it reads one line of JSON (`host`, `port`, `key`, `token`, and seconds:
`connect`, `patience`, `call`). On stdout it says `port N` when the device has taken the call, and TVM's client may come to that
port of this machine with `token` as its key; or why not: `absent WHY`, `left WHY` after it was there, `busy`, `foreign`, `key`.
At the end it says `gone`, `slow` or `done`.
"""

import json
import select
import socket
import struct
import sys
from typing import Any, NoReturn

MAGIC = 0xFF271  # of TVM's RPC; the answer is the same number, and 2 more where the key is another
_OTHER_KEY = MAGIC + 2
_LONGEST = 4096  # bytes of a key


def main() -> None:
    """Call the device, wait for TVM's client, and carry bytes until one of them leaves."""
    asked = json.loads(sys.stdin.readline())
    device, served = _called(asked)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"port {listening.getsockname()[1]}", flush=True)
    client = _client(listening, asked["token"], asked["connect"])
    listening.close()
    client.sendall(struct.pack("<ii", MAGIC, len(served)) + served)
    device.settimeout(asked["call"])
    _end(_carry(client, device, asked["call"]))


def _called(asked: dict[str, Any]) -> tuple[socket.socket, bytes]:
    """The device, after it has taken the call, and the key that it answered with."""
    try:
        device = socket.create_connection((asked["host"], asked["port"]), asked["connect"])
    except OSError as error:
        _end(f"absent {error.strerror or error}")
    except UnicodeError as error:  # of a host that is no name
        _end(f"absent {error}")
    _watch_over(device)
    greeting = f"client:{asked['key']}".encode()
    try:
        device.sendall(struct.pack("<ii", MAGIC, len(greeting)) + greeting)
        _await(device, asked["patience"], "busy")
        (code,) = struct.unpack("<i", _exactly(device, 4))
        if code != MAGIC:
            _end("key" if code == _OTHER_KEY else "foreign")
        (length,) = struct.unpack("<i", _exactly(device, 4))
        if not 0 <= length <= _LONGEST:
            _end("foreign")
        return device, _exactly(device, length)
    except ConnectionError as error:
        _end(f"left {error.strerror or error}")
    except (OSError, EOFError):
        _end("foreign")


def _watch_over(device: socket.socket) -> None:
    """Let the system see it when the other machine is cut off."""
    device.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_NODELAY", 1)):
        if hasattr(socket, name):
            device.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _client(listening: socket.socket, token: str, seconds: float) -> socket.socket:
    """TVM's client; whoever does not know the token is sent away."""
    expected = f"client:{token}".encode()
    while True:
        _await(listening, seconds, "done")
        client, _ = listening.accept()
        client.settimeout(seconds)
        try:
            if _exactly(client, 8 + len(expected)) == struct.pack("<ii", MAGIC, len(expected)) + expected:
                client.settimeout(None)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return client
        except (OSError, EOFError):
            pass
        client.close()


def _carry(client: socket.socket, device: socket.socket, seconds: float) -> str:
    """Bytes both ways, and why it ended: a device that is asked something has to say something within `seconds`."""
    asked = False
    while True:
        ready, _, _ = select.select([client, device], [], [], seconds if asked else None)
        if not ready:
            return "slow"
        for each in ready:
            asked = each is client
            try:
                chunk = each.recv(1 << 16)
                (device if asked else client).sendall(chunk)
            except TimeoutError:
                return "slow"
            except OSError:
                return "gone"
            if not chunk:
                return "done" if asked else "gone"


def _await(there: socket.socket, seconds: float, otherwise: str) -> None:
    """Wait for something to read; nobody waits any longer when stdin ends."""
    ready, _, _ = select.select([there, sys.stdin], [], [], seconds)
    if there not in ready:
        _end("done" if ready else otherwise)


def _exactly(there: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        chunk = there.recv(count - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found


def _end(said: str) -> NoReturn:
    print(said, flush=True)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
