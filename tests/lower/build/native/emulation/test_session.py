"""Libraries for aarch64 under emulation against those of this machine, and what goes wrong."""

import numpy as np
import pytest
import torch
from torch import nn

from bitsback.errors import ArtifactError, ExportError, MissingExtraError
from bitsback.form.propagated import PropagatedForm
from bitsback.given.reference import REFERENCE
from bitsback.lower.build.comparison import HERE
from bitsback.lower.build.native.emulation import session
from bitsback.lower.build.native.emulation.session import EmulatedSession
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.lowering import lower
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.targets import runnable
from tests.emulation import needs_emulation
from tests.lower.build.native.test_library import FORMS, Odd, inputs_of, program
from tests.lower.run.native import plans

ENTRIES = [Entry(1), Entry(3)]


@pytest.fixture(scope="module")
def library():
    """Of `plans.plan()`, for one input and for three."""
    return build(plans.plan(), "aarch64", ENTRIES)


@needs_emulation
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: REFERENCE["mlp"]((11,), 7, hidden=(20, 9)), (11,)), (Odd, (2, 8, 5))],
    ids=["mlp", "pool"],
)
def test_it_answers_under_emulation_what_it_answers_here(form, make, shape):
    torch.manual_seed(0)
    of = program(make(), shape, FORMS[form])
    plan, library, compared = lower(of, "aarch64", ENTRIES, inputs_of(shape, 7))
    assert (compared.ran, compared.device) == ("aarch64", HERE if "aarch64" in runnable() else "emulated-aarch64")
    here, there = open_library(plan, build(plan, runnable()[0], ENTRIES)), EmulatedSession(plan, library)
    for count in (1, 3, 7):  # one call, one of three, and both kinds in turn
        inputs = inputs_of(shape, count)
        for got, expected in zip(there.run(inputs), here.run(inputs), strict=True):
            # The same sums in the same order; only what is fused to a multiply-add may differ, by float32's rounding.
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@needs_emulation
def test_every_kind_of_step_and_no_input_at_all(library):
    plan, inputs = plans.plan(), inputs_of(plans.SHAPE, 4)
    here = open_library(plan, build(plan, runnable()[0], ENTRIES)).run(inputs)
    for got, expected in zip(EmulatedSession(plan, library).run(inputs), here, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)
    assert [each.shape for each in EmulatedSession(plan, library).run(inputs[:0])] == [(0, 3), (0,), (0,), (0,)]


@needs_emulation
def test_what_answers_otherwise_under_emulation_is_refused():
    pools = nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 3))
    clark = program(pools, (1, 6, 6), PropagatedForm(max_pool="clark"))  # which the kernels do not compute
    with pytest.raises(ExportError, match=r"the native library for aarch64's output '.*' differs from PyTorch's"):
        lower(clark, "aarch64", [Entry(1)], inputs_of((1, 6, 6), 3))


@needs_emulation
def test_what_goes_wrong_under_emulation_is_one_sentence(library, monkeypatch):
    inputs = inputs_of(plans.SHAPE, 2)
    for code, entries, said in (
        (b"no library", ENTRIES, r"exit status 1: .*library\.so: file too short"),
        (library.code, [Entry(2)], "exit status 1: it has no function __tvm_ffi_batch_2"),
        (build(plans.sure(), "aarch64", [Entry(1)]).code, [Entry(1)], "exit status 1: .*shape"),
    ):
        with pytest.raises(ArtifactError, match=f"^a library for aarch64 fails under emulation, with {said}") as error:
            EmulatedSession(plans.plan(), Library("aarch64", code, tuple(entries))).run(inputs)
        assert "\n" not in str(error.value)
    with pytest.raises(ArtifactError, match=r"the library takes inputs of shape \(2, 6, 5\), and not \(3,\)"):
        EmulatedSession(plans.plan(), library).run(np.zeros((1, 3)))
    monkeypatch.setattr(session, "_LONGEST", 1e-3)
    with pytest.raises(ArtifactError, match=r"did not answer within 0\.001 s of emulation"):
        EmulatedSession(plans.plan(), library).run(inputs)


def test_without_an_emulator_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs qemu-aarch64, ld.lld.*; `make setup-emulation` installs"):
        EmulatedSession(plans.plan(), Library("aarch64", b"", (Entry(1),)))


def test_a_library_for_another_processor_is_refused():
    with pytest.raises(ArtifactError, match="a library is for x86-64, and what is emulated is aarch64"):
        EmulatedSession(plans.plan(), Library("x86-64", b"", (Entry(1),)))
