"""A tracker hands each device to one client at a time, whoever's server or client it is."""

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from bitsback.errors import DeviceError
from bitsback.lower.build.remote import relay, tracker
from bitsback.lower.build.remote.address import Endpoint, endpoint
from bitsback.lower.build.remote.tracker import Registered, registered, requested
from tests.served import Served


@pytest.fixture(scope="module")
def there():
    with Served("tracker") as served:
        yield endpoint(served.address)


class Device:
    """A server's side of the protocol, written out."""

    def __init__(self, tracker, key):
        self._key, self._socket = key, socket.create_connection((tracker.host, tracker.port), 5)
        self._socket.sendall(struct.pack("<i", 0x2F271))
        assert self._socket.recv(4) == struct.pack("<i", 0x2F271)
        assert self.ask(5, {"key": f"server:{key}", "addr": [None, 4321]}) == 0

    def ask(self, *message):
        text = json.dumps(message).encode()
        self._socket.sendall(struct.pack("<i", len(text)) + text)
        (length,) = struct.unpack("<i", self._socket.recv(4))
        return json.loads(self._socket.recv(length))

    def offer(self, word):
        assert self.ask(3, self._key, [4321, word], None) == 0

    def close(self):
        self._socket.close()


@contextmanager
def device(tracker, key):
    made = Device(tracker, key)
    try:
        yield made
    finally:
        made.close()


def eventually(holds):
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_numbers_are_tvms():
    from tvm.rpc import base

    codes = base.TrackerCode
    assert (tracker.MAGIC, relay.MAGIC) == (base.RPC_TRACKER_MAGIC, base.RPC_MAGIC)
    assert relay._OTHER_KEY == base.RPC_CODE_MISMATCH
    ours = (tracker.SUCCESS, tracker.PING, tracker.PUT, tracker.REQUEST, tracker.INFO, tracker.SUMMARY, tracker.PENDING)
    theirs = (codes.SUCCESS, codes.PING, codes.PUT, codes.REQUEST, codes.UPDATE_INFO, codes.SUMMARY)
    assert ours == (*theirs, codes.GET_PENDING_MATCHKEYS)


def test_a_device_is_one_clients_at_a_time_and_forgotten_when_it_leaves(there):
    at = Endpoint("127.0.0.1", 4321)
    assert registered(there, 5) == []
    with device(there, "board") as board:
        assert registered(there, 5) == [Registered("board", (at,), 0, 0)]
        board.offer("board:1")
        assert board.ask(7) == ["board:1"]
        assert registered(there, 5) == [Registered("board", (at,), 1, 0)]
        assert requested(there, "board", 5, 5) == (at, "board:1")
        assert board.ask(7) == []
        assert requested(there, "board", 5, 0.1) is None
        later = threading.Timer(0.2, board.offer, ("board:2",))
        later.start()
        assert requested(there, "board", 5, 5) == (at, "board:2")
        later.join()
        board.offer("board:3")
    eventually(lambda: registered(there, 5) == [])


def test_a_client_that_gave_up_takes_nothing(there):
    with device(there, "board") as board:
        assert requested(there, "board", 5, 0.1) is None
        eventually(lambda: registered(there, 5)[0].waiting == 0)
        board.offer("board:1")
        assert requested(there, "board", 5, 5) == (Endpoint("127.0.0.1", 4321), "board:1")


@pytest.mark.parametrize(
    "noise", [b"", b"GET / HTTP/1.1\r\n\r\n", struct.pack("<ii", 0x2F271, -1), struct.pack("<ii", 0x2F271, 2) + b"[]"]
)
def test_noise_does_not_end_it(there, noise):
    with socket.create_connection((there.host, there.port), 5) as client, suppress(OSError):
        client.sendall(noise)
        client.shutdown(socket.SHUT_WR)
        while client.recv(100):
            pass
    assert registered(there, 5) == []


def test_tvms_own_client_is_served(there):
    from tvm import rpc

    with device(there, "board") as board:
        board.offer("board:1")
        client = rpc.connect_tracker(there.host, there.port)
        summary = client.summary()
        client.close()
    assert summary["queue_info"] == {"board": {"free": 1, "pending": 0}}
    assert summary["server_info"] == [{"key": "server:board", "addr": ["127.0.0.1", 4321]}]


@pytest.mark.parametrize("answer", [5, "x", ["127.0.0.1", 1], ["127.0.0.1", "1", "word"], [None, 1, "word"]])
def test_an_answer_that_names_no_device_is_one_sentence(answer):
    text = json.dumps([0, answer]).encode()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            client, _ = listening.accept()
            with client:
                client.sendall(client.recv(4) + struct.pack("<i", len(text)) + text)
                client.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DeviceError, match=r"^127\.0\.0\.1:\d+ answers as no tracker does: "):
            requested(Endpoint(*listening.getsockname()), "board", 5, 5)
        thread.join()


def test_where_there_is_none_is_one_sentence(served):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = Endpoint(*silent.getsockname())
        with pytest.raises(DeviceError, match=r"^no tracker answers at 127\.0\.0\.1:\d+: timed out$"):
            registered(nobody, 0.2)
    with pytest.raises(DeviceError, match=r"^no tracker answers at .*: Connection refused$"):
        registered(nobody, 5)
    with pytest.raises(DeviceError, match=r"^no tracker answers at "):
        registered(Endpoint("127.0.0.1", served.port), 5)
