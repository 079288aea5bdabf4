import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsback.errors import DataError, RecipeError
from bitsback.given.source import Source, classification
from bitsback.given.splits import count, draw, hold_out


@given(
    samples=st.integers(10, 300), validation=st.integers(0, 4), calibration=st.floats(0, 0.4), seed=st.integers(0, 9)
)
def test_draws_are_a_partition(samples, validation, calibration, seed):
    draws = draw(samples, validation=validation, calibration=calibration, seed=seed)
    together = np.concatenate([draws.train, draws.validation, draws.calibration])
    np.testing.assert_array_equal(np.sort(together), np.arange(samples))
    assert len(draws.validation) == validation
    assert len(draws.calibration) == round(calibration * samples)
    for part in (draws.train, draws.validation, draws.calibration):
        assert np.all(np.diff(part) > 0)


def test_the_seed_decides_and_calibration_leaves_validation_alone():
    first = draw(100, validation=0.2, calibration=0.1, seed=3)
    np.testing.assert_array_equal(first.validation, draw(100, validation=0.2, calibration=0, seed=3).validation)
    assert not np.array_equal(first.validation, draw(100, validation=0.2, calibration=0.1, seed=4).validation)


def test_something_must_be_left_to_train_on():
    with pytest.raises(DataError, match="leave none of 10"):
        draw(10, validation=0.5, calibration=5, seed=0)


def test_shares_and_counts():
    assert (count(0.25, 10), count(3, 10), count(0, 10), count(0.0, 10)) == (2, 3, 0, 0)


def five_classes() -> Source:
    inputs = np.arange(20, dtype=np.float32).reshape(20, 1)
    return classification("set", (inputs, np.arange(20) % 5), (inputs[:10] + 100, np.arange(10) % 5), list("abcde"))


def test_held_out_classes_are_nowhere_else():
    source, held = hold_out(five_classes(), (1, 4))
    assert source.labels == ("a", "c", "d")
    assert set(held[:, 0]) == {1, 6, 11, 16, 4, 9, 14, 19, 101, 106, 104, 109}
    assert not set(held[:, 0]) & set(np.concatenate([source.train.inputs, source.test.inputs])[:, 0])
    original = source.train.inputs[:, 0].astype(int) % 5
    np.testing.assert_array_equal(np.asarray([0, 2, 3])[source.train.targets], original)


def test_holding_out_nothing_changes_nothing():
    source, held = hold_out(five_classes(), ())
    assert len(held) == 0
    assert source.labels == tuple("abcde")


@pytest.mark.parametrize("held", [(5,), (-1,), (0, 1, 2, 3)])
def test_classes_that_cannot_be_held_out_are_refused(held):
    with pytest.raises(RecipeError, match="hold_out"):
        hold_out(five_classes(), held)
