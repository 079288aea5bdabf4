"""From a run to a file with a library that answers as its program does."""

import json
import platform

import numpy as np
import pytest

import bitsback
from bitsback.artifact.container import read
from bitsback.cli.answers import answer
from bitsback.errors import ArtifactError, ExportError, MissingExtraError, RecipeError
from bitsback.lower.run.native.targets import TARGETS, runnable
from bitsback.measure.device import cpu_model
from bitsback.report.evidence import newest
from bitsback.run import libraries
from bitsback.run.libraries import Wanted, check_form, here, lost, wanted
from bitsback.runtime.predictor import load
from tests.cli.calls import caller
from tests.emulation import needs_emulation, needs_lld


@pytest.fixture
def call(capsys):
    return caller(capsys)


def test_without_a_compiler_there_is_no_library_for_here_and_it_says_why(monkeypatch):
    said = []
    assert [each.target for each in here(said.append)] == runnable()[:1]
    assert said == []

    def missing():
        raise MissingExtraError("install TVM")

    monkeypatch.setattr(libraries, "need_compiler", missing)
    assert here(said.append) == ()
    assert said == ["without a native library: install TVM"]


def test_what_is_asked_for_is_a_target_and_its_batches():
    assert wanted(()) == ()
    assert wanted(("aarch64", "x86-64:100,1,1")) == (Wanted("aarch64"), Wanted("x86-64", (1, 100)))
    assert wanted(("native:2",)) == (Wanted(runnable()[0], (2,)),)
    with pytest.raises(RecipeError, match="there is no target 'z80'; there are native, x86-64, "):
        wanted(("z80",))
    with pytest.raises(RecipeError, match=f"the library for '{runnable()[0]}' is asked for twice"):
        wanted(("native", f"{runnable()[0]}:4"))
    for batches in ("", "0", "-1", "1,", "1.5", "9" * 30, "0" * 19 + "19999999", "²"):
        with pytest.raises(RecipeError, match="they must be numbers from 1 to 65536"):
            wanted((f"x86-64:{batches}",))


def test_a_library_is_lost_with_any_of_its_functions():
    before = Wanted("x86-64", (1, 100)), Wanted("aarch64")
    assert lost(before, ()) == before
    assert lost(before, (Wanted("aarch64", (1, 8)), Wanted("x86-64", (100,)))) == before[:1]
    assert lost(before, before[::-1]) == lost((), before) == ()


def test_without_the_compiler_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "bitsback\[compile\]"'):
        wanted(("x86-64",))
    assert wanted(()) == ()


def check_elsewhere(run, call, device):
    """It is timed there beside the dense network, and a device that is gone leaves the journal as it was."""
    before = run.file("journal").read_bytes()
    gone = call("measure", run.path, "--device", "rpc://127.0.0.1:1")
    assert (gone.code, gone.out, gone.err.count("\n")) == (2, "", 1)
    assert run.file("journal").read_bytes() == before
    there = call("measure", run.path, "--device", device, "--repeats", "3", "--json")
    rows = json.loads(there.out)["measurements"]
    assert [(row["what"], row["of"]["stage"], row["of"]["engine"]) for row in rows] == [
        ("latency", "dense", f"native {runnable()[0]}"),
        ("latency", "compressed", f"native {runnable()[0]}"),
        ("latency_ratio", "compressed", f"native {runnable()[0]}"),
    ]
    assert [row.device for row in run.rows()[-3:]] == [f"{cpu_model()}, 1 thread"] * 3


def check_lost(run, call, names):
    """Packed anew without its libraries it says which there were, once."""
    again = call("pack", run.path, "--form", "propagated", "--json")
    options = " ".join(f"--library {name}" for name in names)
    said = f"{run.file('model')} had native libraries that are not in the new file; name them when you pack: {options}"
    assert again.err == f"warning: {said}\n"
    assert json.loads(again.out)["warnings"] == [said]
    assert call("pack", run.path, "--form", "propagated").err == ""


def test_a_run_is_packed_with_libraries_that_answer_as_its_program(copied_run, call, tmp_path, served):
    model, best = copied_run.file("model"), runnable()[0]
    lesser = [name for name in TARGETS if TARGETS[name].machine == platform.machine() and name != best][:1]
    words = [word for name in ("native:1,4", *lesser) for word in ("--library", name)]
    result = call("pack", copied_run.path, "--form", "propagated", *words)
    assert (result.code, result.err) == (0, "")
    inputs = bitsback.dataset("digits").test.inputs[:7]
    one, other = load(model).predict(inputs), load(model, native=True).predict(inputs)
    for name in ("mean", "total", "data", "knowledge"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-3, atol=1e-4)

    shown = call("inspect", model).out
    assert f"library    {best}: " in shown
    assert "batches of 1, 4\n" in shown
    assert f"library    {best}: " in call("inspect", copied_run.file("dense")).out
    np.save(tmp_path / "x.npy", inputs)
    plain, natively = (call("predict", model, tmp_path / "x.npy", *more, "--json").out for more in ([], ["--native"]))
    labels = [[answer["label"] for answer in json.loads(out)] for out in (plain, natively)]
    assert labels[0] == labels[1]

    rows = json.loads(call("measure", model, "--native", "--repeats", "3", "--json").out)["measurements"]
    assert [(row["what"], row["of"].get("engine")) for row in rows] == [
        ("latency", None), ("latency", f"native {best}"), ("latency_ratio", f"native {best}"),
    ]  # fmt: skip
    assert f"{model}, native {best} " in call("measure", model, "--native", "--repeats", "3").out
    assert call("measure", copied_run.path, "--native", "--repeats", "3").code == 0
    assert {row.of["engine"] for row in copied_run.rows() if "engine" in row.of} == {f"native {best}"}
    assert not [row for row in newest(copied_run.rows()) if "engine" in row.of]
    assert "threads is 2; a native library uses 1" in call("measure", model, "--native", "--threads", "2").err

    check_elsewhere(copied_run, call, served.address)
    check_lost(copied_run, call, [f"{best}:1,4", *(f"{name}:1" for name in lesser)])
    measured = read(model).manifest.measurements
    assert {row["of"].get("engine") for row in measured if row["what"] == "latency"} == {None}
    said = call("measure", copied_run.path, "--device", served.address).err
    assert "dense.bitsback cannot be timed there: it holds no native library" in said
    assert "it holds no native library" in call("predict", model, tmp_path / "x.npy", "--native").err
    assert "it holds no native library" in call("measure", copied_run.path, "--native").err


@needs_lld
def test_a_library_that_cannot_run_says_what_was_compared_in_its_place(copied_run, call, monkeypatch):
    monkeypatch.setattr("bitsback.lower.build.native.emulation.session.missing", lambda: ["qemu-aarch64"])
    result = call("pack", copied_run.path, "--form", "propagated", "--library", "aarch64")
    assert (result.code, result.err) == (0, "")
    instead = f"one for {runnable()[0]} of the same kernels differs from PyTorch's answers by at most "
    assert f"the library for aarch64 cannot run here and was not; {instead}" in result.out


@needs_emulation
def test_a_packed_file_predicts_under_emulation_where_its_library_is_allowed(copied_run, call, tmp_path, capsys):
    model, x = copied_run.file("model"), tmp_path / "x.npy"
    (said,) = json.loads(
        call("pack", copied_run.path, "--form", "propagated", "--library", "aarch64:1,4", "--json").out
    )["libraries"]
    assert (said["target"], said["ran"], said["device"]) == ("aarch64", "aarch64", "emulated-aarch64")
    assert 0 <= said["difference"] < 1e-4
    np.save(x, bitsback.dataset("digits").test.inputs[:7])
    plain = json.loads(call("predict", model, x, "--json").out)
    answer(model, [x], native=True, device="emulated-aarch64", as_json=True)
    for one, other in zip(plain, json.loads(capsys.readouterr().out), strict=True):
        for name in ("probability", "total", "data", "knowledge"):
            # What ONNX Runtime and a library may differ by: float32 sums in another order, through a softmax.
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-4)
        assert (other["label"], other["abstain"]) == (one["label"], one["abstain"])
    with pytest.raises(RecipeError, match="threads is 2; a native library uses 1"):
        answer(model, [x], threads=2, native=True, device="emulated-aarch64")
    result = call("pack", copied_run.path, "--form", "propagated", "--library", "native")
    assert f"the library for {runnable()[0]}, run on this machine, differs from PyTorch's answers by " in result.out
    said = f"it holds native libraries for {runnable()[0]}, and the device is emulated-aarch64.* runs aarch64"
    with pytest.raises(ArtifactError, match=said):
        answer(model, [x], native=True, device="emulated-aarch64")


def test_a_device_that_is_none_and_code_that_is_not_allowed_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no device 'emulated-z80' to predict on; there are cpu and emulated-aarch64"):
        answer(tmp_path / "m.bitsback", [], native=True, device="emulated-z80")
    with pytest.raises(RecipeError, match=r"m.bitsback, which is machine code: allow it with --native"):
        answer(tmp_path / "m.bitsback", [], device="emulated-aarch64")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--form", "point", "--library", "z80"], "there is no target 'z80'"),
        (["--form", "point", "--library", "native:x"], "for batches 'x'"),
    ],
)
def test_what_cannot_be_compiled_is_one_sentence_and_nothing_is_written(copied_run, call, words, said):
    before = {path: path.read_bytes() for path in copied_run.path.rglob("*") if path.is_file()}
    result = call("pack", copied_run.path, *words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err
    assert {path: path.read_bytes() for path in copied_run.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("lost", "words", "said"),
    [
        ("compressed", ["--form", "propagated"], "has no compressed.safetensors; `bitsback compress "),
        ("posterior", ["--form", "point", "--library", "native"], "has no posterior.safetensors; `bitsback fit "),
    ],
)
def test_what_can_be_seen_at_once_is_refused_before_a_network_is_traced(
    copied_run, call, monkeypatch, lost, words, said
):
    monkeypatch.setattr("bitsback.run.materials.gather", lambda _: pytest.fail("it was traced"))
    if lost is not None:
        copied_run.file(lost).unlink()
    result = call("pack", copied_run.path, *words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err


def test_libraries_from_python(tmp_path):
    data = bitsback.dataset("diabetes")
    fitted = bitsback.fit(bitsback.network("mlp", data, hidden=(6,)), data, epochs=1)
    bitsback.pack(bitsback.propagated(fitted), tmp_path / "m.bitsback", data, libraries=["native:1,8"])
    inputs = data.test.inputs[:9]
    one, other = (load(tmp_path / "m.bitsback", native=native).predict(inputs) for native in (False, True))
    for name in ("mean", "total", "knowledge"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-3, atol=1e-2)
    with pytest.raises(RecipeError, match="libraries is 'native'; it must be a list or tuple of texts"):
        bitsback.pack(bitsback.point(fitted), tmp_path / "n.bitsback", data, libraries="native")
    assert not (tmp_path / "n.bitsback").exists()


def test_an_ensemble_is_stored_once_for_its_program_and_its_library(tmp_path):
    data = bitsback.dataset("digits")
    fitted = bitsback.fit(bitsback.network("mlp", data, hidden=(40,)), data, epochs=1)
    pruned = bitsback.prune(fitted, bitsback.Policy(bitsback.Choice(0.9)))
    made = bitsback.ensemble(pruned, 8, member_weights="int8")
    bitsback.pack(made, tmp_path / "m.bitsback", data, libraries=["native:1,8"])
    held = read(tmp_path / "m.bitsback")
    assert "0.values" not in held.native  # the last layer is so small that the exporter computes with it
    stored = {each.name: each for each in held.manifest.tensors}
    first = stored["program.members.drawn__1__weight"]
    assert (first.encoding, first.dtype, first.shape) == ("members", "int8", (8, 40, 64))
    one, other = (
        load(tmp_path / "m.bitsback", native=native).predict(data.test.inputs[:9]) for native in (False, True)
    )
    for name in ("mean", "total", "knowledge"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-4, atol=1e-5)


def test_a_form_without_kernels_is_refused_by_name():
    with pytest.raises(ExportError, match="the distilled form has no native library; there is one of the point, ens"):
        check_form("distilled", wanted(["x86-64"]))
