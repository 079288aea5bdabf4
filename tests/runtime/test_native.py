"""Libraries inside a file run where the user allows it, and are not looked at otherwise."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from bitsback.artifact.container import write
from bitsback.errors import ArtifactError, MissingExtraError, RecipeError
from bitsback.lower.run.native.targets import TARGETS
from bitsback.runtime import native
from bitsback.runtime.predictor import load
from tests.artifact import golden
from tests.lower.run import graphs

X = np.random.default_rng(0).normal(size=(5, *graphs.SHAPE)).astype(np.float32)


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one that runs some targets, the best first, and that loads what is no library."""

    def become(*targets, opens=None):
        monkeypatch.setattr(native, "runnable", lambda: list(targets))
        if opens is not None:
            monkeypatch.setattr(native, "open_library", opens)

    return become


def test_a_file_whose_libraries_are_garbage_predicts_as_one_without():
    one, other = load(golden.NATIVE).predict(X), load(golden.PATH).predict(X)
    for name in ("mean", "total", "data", "knowledge", "abstain"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_garbage_is_one_sentence_where_it_is_allowed(machine, monkeypatch):
    machine("x86-64-v3")
    monkeypatch.setattr("bitsback.lower.run.native.library.check_runnable", lambda target: None)
    with pytest.raises(
        ArtifactError, match=r"golden_native\.bitsback cannot be run natively: a library for x86-64-v3 cannot be"
    ):
        load(golden.NATIVE, native=True)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [(("x86-64-v4", "x86-64-v3", "x86-64"), "x86-64-v3"), (("aarch64",), "aarch64"), (("x86-64-v3",), "x86-64-v3")],
)
def test_the_best_library_that_runs_here_is_opened_with_its_own_code(machine, runs, expected):
    machine(*runs, opens=lambda plan, library: library)
    found, target = native.open_native(golden.native())
    assert (target, found.target, found.code) == (expected, expected, f"no code for {expected}".encode())
    assert [entry.batch for entry in found.entries] == [8, 1]


def test_where_no_library_fits_it_says_which_there_are_and_what_this_machine_is(machine):
    machine("x86-64")
    said = "it holds native libraries for x86-64-v3, aarch64, and this machine is .*, which runs x86-64$"
    with pytest.raises(ArtifactError, match=said):
        load(golden.NATIVE, native=True)
    machine()
    with pytest.raises(ArtifactError, match=r"aarch64, and this machine is \S+$"):
        load(golden.NATIVE, native=True)
    machine(*TARGETS)
    with pytest.raises(
        ArtifactError, match=r"golden\.bitsback cannot be run natively: it holds no native library; `bitsback"
    ):
        load(golden.PATH, native=True)


@pytest.mark.parametrize("change", [{"input_shape": [1, 4, 1]}, {"steps": []}, {"task": "regression"}])
def test_a_plan_that_is_not_the_programs_is_refused_only_where_it_is_used(machine, change, tmp_path):
    machine(*TARGETS, opens=lambda plan, library: library)
    found = golden.native()
    manifest = replace(found.manifest, plan={**found.manifest.plan, **change})
    write(tmp_path / "model.bitsback", replace(found, manifest=manifest))
    with pytest.raises(ArtifactError, match=r"model\.bitsback cannot be run natively: "):
        load(tmp_path / "model.bitsback", native=True)
    assert load(tmp_path / "model.bitsback").predict(X).mean.shape == (5, graphs.CLASSES)


def test_libraries_of_another_program_are_not_put_beside_one():
    found = golden.native()
    other = replace(golden.artifact().manifest, task="regression", labels=(), abstain=None)
    with pytest.raises(ArtifactError, match=r"its program does \('regression', .* does \('classification'"):
        native.with_libraries(replace(found, manifest=other), golden.plan(), [])


def test_what_is_missing_or_cannot_be_is_named(machine, monkeypatch):
    machine("x86-64-v3")
    monkeypatch.setattr("bitsback.lower.run.native.library.check_runnable", lambda target: None)
    with pytest.raises(RecipeError, match="threads is 2; a native library uses 1"):
        load(golden.NATIVE, 2, native=True)
    with pytest.raises(RecipeError, match="native is 'yes'"):
        load(golden.NATIVE, native="yes")
    monkeypatch.setitem(sys.modules, "tvm_ffi", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bitsback\[native\]"'):
        load(golden.NATIVE, native=True)


@pytest.mark.parametrize(
    ("borrowed", "said"),
    [
        ({"1.mean": {"tensor": "kernel", "shape": [1] * 70 + [24]}}, "no tensor of the program that has the shape"),
        ({"1.mean": {"tensor": "nothing", "shape": [3, 1, 2, 2]}}, "no tensor of the program"),
        ({f"{index}.mean": {"tensor": "kernel", "shape": [2, 4, 3, 1]} for index in range(1, 9)}, "are 8 tensors"),
        ([], "a JSON object belongs"),
    ],
)
def test_what_a_plan_cannot_borrow_is_refused(machine, tmp_path, borrowed, said):
    machine(*TARGETS, opens=lambda plan, library: library)
    found = golden.native()
    manifest = replace(found.manifest, plan={**found.manifest.plan, "borrowed": borrowed})
    write(tmp_path / "model.bitsback", replace(found, manifest=manifest))
    with pytest.raises(ArtifactError, match=said):
        load(tmp_path / "model.bitsback", native=True)
