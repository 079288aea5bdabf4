import sys

import numpy as np
import pytest

from bitsback.errors import MissingExtraError
from bitsback.given import embedded


def test_digits_are_all_there_and_in_raw_units():
    source = embedded.read("digits", seed=0)
    assert (len(source.train.inputs), len(source.test.inputs)) == (1438, 359)
    assert source.train.inputs.shape[1:] == (1, 8, 8)
    assert source.train.inputs.max() == 16
    assert source.labels == tuple("0123456789")


def test_diabetes_is_in_the_units_it_was_measured_in():
    source = embedded.read("diabetes", seed=0)
    assert source.task == "regression"
    assert source.train.inputs.shape == (354, 10)
    assert source.train.inputs[:, 0].min() >= 18  # age in years
    assert source.test.targets.shape == (88, 1)


def test_the_seed_decides_the_test_part():
    first, again, other = (embedded.read("digits", seed=seed).test.inputs for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"bitsback\[torch\]"):
        embedded.read("digits", seed=0)
