"""What is timed on this machine."""

import numpy as np
import pytest

from bitsback.artifact.container import read
from bitsback.errors import ArtifactError
from bitsback.lower.run.native.library import NativeSession
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.onnx import Session, open_program
from bitsback.recipe.sections import Measure
from bitsback.run import measure as stage
from bitsback.runtime.native import open_native
from tests.packed import with_library


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A file with a library for this machine."""
    return with_library(tmp_path_factory.mktemp("packed") / "model.bitsback", (1, 4))


def test_what_is_timed_is_the_bare_call_on_both_sides(packed, monkeypatch):
    calls, runs = [], []
    monkeypatch.setattr(stage, "latency", lambda others, first, *_, **__: calls.extend([first, *others]) or [])
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, x: runs.append(len(x)) or run(self, x))
    monkeypatch.setattr(NativeSession, "run", lambda *_: pytest.fail("it checks and copies"))
    stage.measure(stage.alone(packed, None, native=True), Measure(batches=(4,)))
    before = len(runs)
    for each in calls:
        for array in each.call.outputs:
            array.fill(np.nan)
        each.call()
    assert len(runs) == before
    monkeypatch.undo()
    artifact = read(packed)
    inputs = stage.random_inputs(0)(artifact, 4)
    for each, session in zip(
        calls, (open_program(artifact.program, artifact.weights), open_native(artifact)[0]), strict=True
    ):
        for found, expected in zip(each.call.outputs, session.run(inputs), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_batch_without_a_function_is_refused_as_it_is_elsewhere(packed):
    functions = f"the library for {runnable()[0]} has functions for batches of 1, 4, and not of 2"
    with pytest.raises(ArtifactError, match=f"model.bitsback cannot be run natively: {functions}"):
        stage.measure(stage.alone(packed, None, native=True), Measure(batches=(1, 2)))
