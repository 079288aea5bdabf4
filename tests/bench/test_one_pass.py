"""What the bench of one pass stands on: a floor that is one, and libraries that are compiled once."""

import numpy as np
import pytest
import torch

from bench import one_pass_libraries
from bench.floor import floor, is_reference, references
from bench.one_pass_libraries import Kept
from bench.one_pass_sides import DRAWS, one_by_one, pyro_predictive
from tests.lower.run.native import plans


def test_the_floor_grows_with_what_takes_longer():
    size = 2**16
    calls = references([size, size])
    assert len(calls) == 2
    assert all(is_reference(name) for name in calls)
    product, reading = (1e-3, 2e-3)
    seconds = dict(zip(calls, (product, reading), strict=True))
    assert floor(seconds, 0, size) == reading
    assert floor(seconds, 10**12, size) == pytest.approx(10**12 / 192**3 * product)
    assert floor(seconds, 10**12, size) > reading


def test_a_library_is_compiled_once_and_answers_the_same(tmp_path, monkeypatch):
    made = []

    def make():
        made.append(1)
        return plans.plan()

    (tmp_path / "posterior.safetensors").write_bytes(b"one")
    first, plan = Kept(tmp_path).call("some", 2, make)
    monkeypatch.setattr(one_pass_libraries, "build", lambda *_: pytest.fail("compiled twice"))
    second, again = Kept(tmp_path).call("some", 2, make)
    assert len(made) == 1
    inputs = np.random.default_rng(0).normal(size=(2, *plans.SHAPE)).astype(np.float32)
    for call in (first, second):
        call.input[:] = inputs
        call()
    assert plan.steps[0].weights.mean.tobytes() == again.steps[0].weights.mean.tobytes()
    for one, other in zip(first.outputs, second.outputs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert Kept(tmp_path).graph("mean", lambda: b"graph") == b"graph"
    assert Kept(tmp_path).graph("mean", lambda: pytest.fail("exported twice")) == b"graph"
    (tmp_path / "posterior.safetensors").write_bytes(b"another")
    Kept(tmp_path)._plan("some", make)
    assert len(made) == 2


def test_every_way_of_drawing_predicts_about_the_same(tmp_path):
    import bitsback

    data = bitsback.dataset("digits", limit=300)
    fitted = bitsback.fit(
        bitsback.network("mlp", data, hidden=(12,)), data, bitsback.MeanField(std_rate=1.0), epochs=20
    )
    raw = data.test.inputs[:1]
    one = one_by_one(fitted, raw)()
    other = pyro_predictive(fitted, data, raw)()
    assert DRAWS == 30
    torch.testing.assert_close(other, one.mean, atol=0.25, rtol=0)
