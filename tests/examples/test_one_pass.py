"""The study of one pass: its recipes, and that its ways to predict are ways to predict the same thing."""

from pathlib import Path

import numpy as np
import pytest

import bitsback
from bitsback.form.propagated import PropagatedForm
from bitsback.given.resolve import resolve
from examples.one_pass.__main__ import called
from examples.one_pass.posteriors import POSTERIORS
from examples.one_pass.ways import WAYS, drawn, in_pytorch, loaded, together


@pytest.fixture(scope="module")
def known():
    data = bitsback.dataset("digits", limit=300)
    network = bitsback.network("mlp", data, hidden=(30,))
    return bitsback.fit(network, data, bitsback.MeanField(std_rate=1.0), epochs=20), data


@pytest.mark.parametrize("data", [".", "data", "./data", "/some/data"])
def test_the_journal_names_no_folder_of_this_machine_and_nothing_else_changes(monkeypatch, data):
    monkeypatch.setattr("sys.argv", ["it", "--data", data, "--only", "mlp100-mnist"])
    said = called("examples.one_pass", Path(data))
    assert said == "python -m examples.one_pass --data DIR --only mlp100-mnist"


@pytest.mark.parametrize("name", POSTERIORS)
def test_each_posterior_has_a_recipe_of_its_own(name, tmp_path):
    asked = POSTERIORS[name].asked(tmp_path)
    assert (asked.data.name, asked.data.folder) == (POSTERIORS[name].dataset, str(tmp_path))
    shape = (3, 32, 32) if "resnet" in name else (1, 28, 28)
    resolve(asked.network.name, shape, 10, asked.network.options)


def test_the_native_ways_answer_like_pytorch_and_like_draws(known):
    fitted, data = known
    raw = data.test.inputs[:60]
    right = in_pytorch(fitted.program(PropagatedForm()))(raw)
    (many,) = drawn(fitted, raw, 300)
    for name, allowed in {
        "one_pass": 1e-5,
        "one_pass_bfloat16": 1e-3,
        "one_pass_tied": 0.02,
        "one_pass_calibrated": 0.02,
    }.items():
        make = WAYS[name].native
        assert make is not None
        found = loaded(make(fitted, data), (7, 1)).run(raw)
        np.testing.assert_allclose(found.mean, right.mean, atol=allowed)
        np.testing.assert_allclose(found.mean, many.mean, atol=0.05)


def test_sets_of_draws_together_say_what_all_of_them_say(known):
    fitted, data = known
    raw = data.test.inputs[:20]
    parts = drawn(fitted, raw, 5, sets=4)
    (whole,) = drawn(fitted, raw, 5)
    np.testing.assert_array_equal(parts[0].mean, whole.mean)
    found = together(parts)
    np.testing.assert_allclose(found.mean, np.mean([each.mean for each in parts], 0), rtol=1e-6)
    np.testing.assert_allclose(found.total, -(found.mean * np.log(found.mean)).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(found.total, found.data + found.knowledge, rtol=1e-6)
