"""The device's side: TVM's own RPC server, with what it lacks.

TVM's loop serves one client at a time, each in a process of its own, and lets the next one wait. It ends when a client's
process crashes, waits for ever for a client that says nothing, and leaves that process behind when it is killed: not so here.
"""

import ctypes
import logging
import multiprocessing
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tvm_ffi
from tvm.rpc import server as tvm_server

from bitsback.errors import DeviceError, first_line, reason
from bitsback.lower.build.remote.address import Endpoint
from bitsback.measure.workbench import Workbench

_GREETING = 2.0  # seconds within which a client has to say who it is
_LONGEST = 4096  # bytes of its key
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux' prctl


class _Greeted(socket.socket):
    """A socket that accepts only those who have said who they are."""

    def accept(self) -> tuple[socket.socket, Any]:
        """The next client.

        Raises:
            ConnectionAbortedError: It says nothing; TVM's loop takes the next one.
        """
        client, address = super().accept()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                client.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        if not _greets(client):
            client.close()
            raise ConnectionAbortedError("no greeting")
        return client, address


def serve(
    listening: Endpoint,
    ready: Callable[[Endpoint], None],
    tell: Callable[[str], None],
    tracker: Endpoint | None = None,
    key: str = "",
) -> None:
    """Serve this machine until interrupted.

    Args:
        listening: Where; port 0 for any.
        ready: Is told where.
        tell: Is told what went wrong with a client.
        tracker: Where it is registered.
        key: As what.

    Raises:
        DeviceError: Nobody can listen there.
    """
    for name, offered in Workbench().offers.items():
        tvm_ffi.register_global_func(name, offered, override=True)
    logging.getLogger("RPCServer").setLevel(logging.ERROR)
    with _bound(listening) as there:
        at = Endpoint(*there.getsockname()[:2])
        os.register_at_fork(after_in_child=lambda: _in_child(there))
        ready(at)
        try:
            _forever(there, at.port, (tracker, key), tell)
        finally:
            for child in multiprocessing.active_children():
                child.kill()
                child.join()


def _forever(
    there: socket.socket, port: int, registered: tuple[Endpoint | None, str], tell: Callable[[str], None]
) -> None:
    tracker, key = registered
    at, home = (tracker.host, tracker.port) if tracker else None, Path.cwd()
    while True:
        try:
            tvm_server._listen_loop(there, port, key, at, None, None)
        except Exception as error:  # a client's process crashed, or the tracker is gone for long
            tell(f"{first_line(error)}; serving on")
        os.chdir(home)  # TVM leaves the process in the client's folder, which is gone
        time.sleep(0.1)


def _bound(listening: Endpoint) -> socket.socket:
    there = None
    try:
        family = socket.getaddrinfo(listening.host, listening.port, type=socket.SOCK_STREAM)[0][0]
        there = _Greeted(family, socket.SOCK_STREAM)
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        there.bind((listening.host, listening.port))
        there.listen()
    except (OSError, UnicodeError) as error:  # the second of a host that is no name
        if there is not None:
            there.close()
        raise DeviceError(f"nobody can listen at {listening}: {reason(error)}") from error
    return there


def _in_child(there: socket.socket) -> None:
    """What a client's process is not to inherit: the port, how the server ends, and to live on without it."""
    there.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _greets(client: socket.socket) -> bool:
    """Whether a whole greeting is there in time: a number, the length of a key, and the key."""
    end = time.monotonic() + _GREETING
    while (left := end - time.monotonic()) > 0 and select.select([client], [], [], left)[0]:
        found = client.recv(8 + _LONGEST, socket.MSG_PEEK)
        if not found:
            return False
        if len(found) >= 8:
            (length,) = struct.unpack("<i", found[4:8])
            if not 0 < length <= _LONGEST or len(found) >= 8 + length:
                return 0 < length <= _LONGEST
        time.sleep(0.01)
    return False
