"""Devices from the command line."""

import json
import shutil
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from bitsback.artifact.container import write
from bitsback.lower.build.remote.address import address
from bitsback.lower.build.remote.bench import RemoteBench
from bitsback.lower.run.native.targets import runnable
from bitsback.measure.device import cpu_model
from tests.artifact import golden
from tests.packed import with_library
from tests.served import Served


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A file with a library for this machine."""
    return with_library(tmp_path_factory.mktemp("packed") / "model.bitsback", (1, 8))


@pytest.mark.parametrize("name", ["serve", "tracker", "list"])
def test_every_command_explains_itself_with_an_example_and_speaks_json(call, name):
    result = call("device", name, "--help")
    assert result.code == 0
    assert f"Example: bitsback device {name} " in " ".join(result.out.split())
    assert "--json" in result.out


def test_this_machine_is_listed(call):
    here, emulated = json.loads(call("device", "list", "--json").out)["devices"]
    assert (emulated["device"], emulated["targets"]) == ("emulated-aarch64", ["aarch64"])
    assert here == {"device": "cpu", "processor": cpu_model(), "at": "", "targets": runnable(), "state": "here"}
    shown = call("device", "list").out.splitlines()
    assert shown[0].split() == ["device", "processor", "at", "runs", "state"]
    assert shown[1].split() == ["cpu", *cpu_model().split(), *", ".join(runnable()).split(), "here"]


def test_a_library_is_timed_elsewhere_beside_the_references(call, packed, served):
    at = ("--device", served.address, "--repeats", "3", "--json")
    alone = json.loads(call("measure", packed, *at).out)["measurements"]
    assert [(row["what"], row["of"]["engine"]) for row in alone] == [("latency", f"native {runnable()[0]}")]
    rows = json.loads(call("measure", packed, "--reference", packed, "--batch", "8", *at).out)["measurements"]
    assert [(row["what"], row["of"]["batch"]) for row in rows] == [("latency", 8), ("latency", 8), ("latency_ratio", 8)]
    assert f"\n{cpu_model()}, 1 thread\n" in call("measure", packed, *at[:-1]).out


def test_a_library_is_tuned_elsewhere(call, packed, served, tmp_path):
    model = shutil.copy(packed, tmp_path / "model.bitsback")
    found = call("tune", model, "--device", served.address, "--trials", "2", "--batch", "1", "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["device"] == cpu_model()


def test_a_tuning_goes_on_when_a_killed_device_comes_back(call, packed, served, tmp_path):
    model, database = shutil.copy(packed, tmp_path / "model.bitsback"), tmp_path / "tuning.jsonl"

    def restart():
        end = time.monotonic() + 60
        while not (database.exists() and database.read_bytes().count(b"\n") > 2) and time.monotonic() < end:
            time.sleep(0.01)
        served.kill()
        served.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    found = call("tune", model, "--device", served.address, "--wait", "60", "--trials", "8", "--batch", "1", "--json")
    restarting.join()
    assert found.code == 0, found.err
    assert "; waiting for it for 60 s" in found.err
    assert json.loads(found.out)["measured"] == 8
    assert len({json.dumps(json.loads(line)["tile"]) for line in database.read_bytes().splitlines()[1:]}) == 8


def test_the_samples_of_a_data_set_are_the_inputs(call, packed, served):
    refused = call("measure", packed, "--device", served.address, "--data", "digits")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--device", "gpu"),
            "there is no device 'gpu'; there is cpu, and there are rpc://HOST:PORT and rpc://TRACKER:PORT/KEY",
        ),
        (("--device", "emulated-aarch64"), "never how long it takes"),
        (("--device", "rpc://here"), "'rpc://here' is no address of a device"),
        (("--device", "cpu", "--wait", "5"), "--wait 5 goes with a device that is elsewhere"),
        (("--device", "DEVICE", "--wait", "inf"), "--wait is 'inf'; it must be less than or equal to 1000000"),
        (("--device", "DEVICE", "--threads", "2"), "threads is 2; a native library uses 1"),
        (("--device", "DEVICE", "--batch", "2"), "has functions for batches of 1, 8, and not of 2"),
        (
            ("--device", "DEVICE", "--reference", "GOLDEN"),
            "golden.bitsback cannot be timed there: it holds no native library",
        ),
        (("--device", "rpc://a..b:9090"), "no device answers at rpc://a..b:9090: encoding with 'idna' codec failed"),
        (("--device", "rpc://127.0.0.1:1"), "no device answers at rpc://127.0.0.1:1: connection refused"),
    ],
)
def test_what_cannot_be_timed_is_one_sentence(call, packed, served, words, said):
    there = {"DEVICE": served.address, "GOLDEN": golden.PATH}
    result = call("measure", packed, *(there.get(word, word) for word in words))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err


def test_a_file_for_another_processor_says_what_the_device_is(call, served, tmp_path):
    found = golden.native()
    libraries = tuple(each for each in found.manifest.libraries if each["target"] == "aarch64")
    only = {name: each for name, each in found.native.items() if name != "code.x86-64-v3"}
    write(tmp_path / "m.bitsback", replace(found, manifest=replace(found.manifest, libraries=libraries), native=only))
    said = call("measure", tmp_path / "m.bitsback", "--device", served.address).err
    assert f"it holds native libraries for aarch64, and {served.address} is {cpu_model()}, which runs " in said


def test_without_the_compiler_the_extra_is_named(call, packed, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for words in (("device", "serve"), ("measure", packed, "--device", "rpc://127.0.0.1:1")):
        result = call(*words)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert 'install it with pip install "bitsback[compile]"' in result.err
    assert call("device", "list").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "--port", "TAKEN"), "nobody can listen at 127.0.0.1:TAKEN: Address already in use"),
        (("tracker", "--port", "TAKEN"), "nobody can listen at 127.0.0.1:TAKEN: Address already in use"),
        (("serve", "--host", "a..b"), "nobody can listen at a..b:9090: encoding with 'idna' codec failed"),
        (("tracker", "--host", "a..b"), "nobody can listen at a..b:9190: encoding with 'idna' codec failed"),
        (("serve", "--tracker", "127.0.0.1:1"), "--tracker and --key go together"),
        (("serve", "--key", "board"), "--tracker and --key go together"),
        (("serve", "--tracker", "127.0.0.1:1", "--key", "a b"), "--key is 'a b'; it must be up to 100 letters"),
        (("serve", "--tracker", "127.0.0.1:1", "--key", "a"), "no tracker answers at 127.0.0.1:1: Connection refused"),
        (("serve", "--tracker", "here", "--key", "a"), "'here' is no HOST:PORT"),
        (("list", "--tracker", "127.0.0.1:1"), "no tracker answers at 127.0.0.1:1: Connection refused"),
        (("serve", "--port", "70000"), "--port"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(call, words, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = call("device", *(word.replace("TAKEN", port) for word in words))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said.replace("TAKEN", port) in result.err


@pytest.mark.parametrize(("host", "tracker"), [("127.0.0.1", "192.0.2.9"), ("localhost", "192.0.2.9")])
def test_a_device_is_not_handed_out_where_nobody_could_come(call, monkeypatch, host, tracker):
    monkeypatch.setattr("bitsback.lower.build.remote.tracker.registered", lambda *_: [])
    monkeypatch.setattr("bitsback.lower.build.remote.server.serve", lambda *_: None)
    result = call("device", "serve", "--host", host, "--tracker", f"{tracker}:9190", "--key", "board")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"--host {host} lets only this machine in, and the tracker at {tracker}:9190 would send others" in result.err
    for there, at in (("0.0.0.0", tracker), (host, "127.0.0.2")):
        assert call("device", "serve", "--host", there, "--tracker", f"{at}:9190", "--key", "board").code == 0


@pytest.mark.parametrize(
    ("terminal", "more", "said"), [(True, (), "starting; "), (True, ("--json",), ""), (False, (), "")]
)
def test_who_waits_at_a_terminal_is_told_that_it_starts(call, monkeypatch, terminal, more, said):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setattr("bitsback.lower.build.remote.server.serve", lambda *_: None)
    result = call("device", "serve", *more)
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith(said)
    assert bool(result.err) == bool(said)


def test_a_tracker_hands_a_device_out(call, packed):
    with Served("tracker") as tracker, Served("serve", "--tracker", tracker.address, "--key", "board-1") as board:
        device = f"rpc://{tracker.address}/board-1"

        def states():
            found = call("device", "list", "--tracker", tracker.address, "--json").out
            return [(each["device"], each["state"]) for each in json.loads(found)["devices"][2:]]

        def becomes(state):
            end = time.monotonic() + 10
            while states() != [(device, state)] and time.monotonic() < end:
                time.sleep(0.05)
            return states() == [(device, state)]

        assert becomes("free")
        found = json.loads(call("device", "list", "--tracker", tracker.address, "--json").out)["devices"][2]
        assert (found["processor"], found["at"]) == ("", board.address.removeprefix("rpc://"))
        rows = json.loads(call("measure", packed, "--device", device, "--repeats", "3", "--json").out)["measurements"]
        assert np.isfinite(rows[0]["value"])
        with RemoteBench(address(device)):
            assert becomes("busy")
        assert becomes("free")
        assert "is a tracker's; name it as" in call("measure", packed, "--device", board.address).err
        keyless = call("measure", packed, "--device", f"rpc://{tracker.address}", "--wait", "30")
        assert (keyless.code, keyless.out) == (2, "")
        said = f"error: rpc://{tracker.address} is a tracker; name a device of it as rpc://HOST:PORT/KEY\n"
        assert keyless.err == said
        unknown = call("measure", packed, "--device", f"rpc://{tracker.address}/board-2").err
        assert f"the tracker at {tracker.address} knows no 'board-2'; it knows board-1" in unknown


def test_a_tracker_listens_at_an_address_of_ipv6_too(call, packed):
    listening = ("--host", "::1")
    with Served("tracker", *listening) as tracker:
        assert tracker.address.startswith("[::1]:")
        with Served("serve", *listening, "--tracker", tracker.address, "--key", "board"):
            device = f"rpc://{tracker.address}/board"
            found = call("measure", packed, "--device", device, "--wait", "20", "--repeats", "3", "--json")
    assert found.code == 0, found.err
