"""A device behind TVM's RPC: it answers as this machine does, and whatever becomes of it is one sentence."""

import os
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from bitsback.errors import ArtifactError, DeviceError
from bitsback.lower.build.native.library import build
from bitsback.lower.build.remote.address import Address, Endpoint, address
from bitsback.lower.build.remote.bench import RemoteBench
from bitsback.lower.build.remote.session import Limits
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.targets import runnable
from bitsback.measure.device import cpu_model
from tests.lower.build.remote import code
from tests.lower.run.native import plans

X = np.random.default_rng(0).normal(size=(3, *plans.SHAPE)).astype(np.float32)
ONE = X[:1]


@pytest.fixture(scope="module")
def library():
    return build(plans.plan(), runnable()[0], [Entry(1), Entry(3)])


@contextmanager
def bench(served, tell=lambda _: None, **limits):
    with RemoteBench(address(served.address), Limits(**{"connect": 10.0, **limits}), tell) as device:
        yield device


def test_it_answers_what_this_machine_answers(served, library):
    with bench(served) as device:
        assert (device.name, list(device.targets)) == (cpu_model(), runnable())
        found = device.answers(plans.plan(), library, X)
    for got, expected in zip(found, open_library(plans.plan(), library).run(X), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_each_library_has_its_own_time_and_the_network_is_not_in_it(served, library, tmp_path):
    with bench(served) as device:
        slow = code.library(tmp_path, "usleep(20000)")
        seconds = device.seconds(plans.plan(), [library, slow, library], ONE, 4)
    assert seconds.shape == (4, 3)
    assert (seconds > 0).all()
    assert 0.02 <= np.median(seconds[:, 1]) < 0.04
    assert np.median(seconds[:, [0, 2]]) < 0.001


def test_the_order_rotates_though_the_device_is_asked_for_one_round_at_a_time(served, tmp_path):
    called = tmp_path / "called"

    def logged(which):
        (folder := tmp_path / which).mkdir()
        appended = f'int file = open("{called}", O_WRONLY | O_APPEND | O_CREAT, 0600); file = write(file, "{which}", 1)'
        return code.library(folder, f"{appended}; usleep(90000)")

    with bench(served) as device:
        device.seconds(plans.plan(), [logged(each) for each in "012"], ONE, 3)
    calls = called.read_text()
    assert [calls[start + 3 : start + 6] for start in (0, 6, 12)] == ["012", "120", "201"]


def test_what_cannot_run_there_is_refused_and_the_device_serves_on(served, library):
    other = Library("aarch64", b"no code", (Entry(1),))
    garbage = Library(runnable()[0], b"no code", (Entry(1),))
    with bench(served) as device:
        with pytest.raises(ArtifactError, match=r"a library is for aarch64, and rpc://.* is .*, which runs x86-64"):
            device.seconds(plans.plan(), [library, other], ONE, 2)
        with pytest.raises(ArtifactError, match="has functions for batches of 1, 3, and not of 2"):
            device.answers(plans.plan(), library, X[:2])
        with pytest.raises(ArtifactError, match=rf"rpc://.* says: a library for {runnable()[0]} cannot be loaded: "):
            device.answers(plans.plan(), garbage, ONE)
        assert device.seconds(plans.plan(), [library], ONE, 2).shape == (2, 1)


def test_a_second_client_waits_for_its_turn_and_then_hears_that_it_is_busy(served, library):
    with bench(served) as first:
        start = time.monotonic()
        with pytest.raises(DeviceError, match=r"is busy, .* it took no call within 0\.6 s, .* --wait SECONDS"):
            bench(served, connect=0.2, wait=0.4).__enter__()
        assert 0.6 <= time.monotonic() - start < 5
        threading.Timer(0.5, first.close).start()
        with bench(served, wait=10) as second:
            assert second.seconds(plans.plan(), [library], ONE, 1).shape == (1, 1)


def test_a_device_that_dies_is_one_sentence(served, tmp_path):
    slow = code.library(tmp_path, "usleep(50000)")
    with bench(served) as device:
        (child,) = served.children()
        threading.Timer(0.3, os.kill, (child, signal.SIGKILL)).start()
        with pytest.raises(DeviceError, match=r"^rpc://\S+ went away in the middle of it$"):
            device.seconds(plans.plan(), [slow], ONE, 1000)
    with bench(served, wait=5) as device:
        assert device.seconds(plans.plan(), [slow], ONE, 1).shape == (1, 1)


def test_the_job_goes_on_when_a_killed_device_comes_back(served, library, tmp_path):
    slow, told, done = code.library(tmp_path, "usleep(20000)"), [], []

    def restart():
        served.kill()
        served.start()

    def watch(rounds, of):
        done.append(rounds)
        if len(done) == 2:
            restarting.start()
            time.sleep(0.1)  # so that it dies while it is timing, and not before

    restarting = threading.Thread(target=restart)
    with bench(served, told.append, wait=60) as device:
        seconds = device.together([(plans.plan(), slow), (plans.plan(), library)], ONE, 40, watch)
    restarting.join()
    assert seconds.shape == (40, 2)
    assert (seconds[:, 0] >= 0.02).all()
    assert (seconds[:, 1] < 0.02).all()
    assert "went away in the middle of it; waiting for it for 60 s" in told[0]
    assert done == sorted(done)
    assert done[-1] == 40


def test_a_library_that_ends_the_device_is_not_tried_for_ever(served, library, tmp_path):
    deadly = code.library(tmp_path, "__builtin_trap()")
    with bench(served, wait=30) as device, pytest.raises(DeviceError, match="3 times in the same turn"):
        device.seconds(plans.plan(), [library, deadly], ONE, 5)
    with bench(served) as device:
        assert device.seconds(plans.plan(), [library], ONE, 1).shape == (1, 1)


def test_a_device_that_hangs_is_given_up(served, tmp_path):
    with bench(served, call=0.5) as device, pytest.raises(DeviceError, match=r"did not answer within 0\.5 s"):
        device.seconds(plans.plan(), [code.library(tmp_path, "usleep(700000)")], ONE, 1)


def test_who_says_nothing_keeps_nobody_waiting(served):
    with socket.create_connection(("127.0.0.1", served.port)), bench(served, connect=10.0) as device:
        assert device.name == cpu_model()


@contextmanager
def stranger(answer):
    """A server that reads what comes, and sends this, or hangs up where it is None."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            client, _ = listening.accept()
            with client, suppress(ConnectionError):
                client.recv(100)
                if answer is not None:
                    client.sendall(answer)
                    client.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address(Endpoint(*listening.getsockname()))
        thread.join()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "is no TVM server; `bitsback device serve` starts one"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no TVM server"),
        (b"\x71\xf2\x0f\x00\xff\xff\xff\x7f", "is no TVM server"),
        (b"\x73\xf2\x0f\x00", "is a tracker's; name it as rpc://TRACKER:PORT/KEY"),
        (b"", "is busy, or no TVM server: it took no call within 0.5 s"),
    ],
)
def test_another_server_is_no_device(answer, said):
    with stranger(answer) as there, pytest.raises(DeviceError) as refused:
        RemoteBench(there, Limits(connect=0.5))
    assert said in str(refused.value)
    assert str(there) in str(refused.value).replace("at 127", "at rpc://127")


def test_where_nobody_listens_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DeviceError, match=rf"^no device answers at rpc://127\.0\.0\.1:{port}: connection refused$"):
        RemoteBench(Address(Endpoint("127.0.0.1", port)))
