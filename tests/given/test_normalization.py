import numpy as np
import pytest

from bitsback.errors import RecipeError
from bitsback.given.normalization import Normalization, measure, stated


@pytest.mark.parametrize("shape", [(5000, 3), (5000, 2, 3, 4), (9, 1, 2, 2), (1, 3)])
def test_it_agrees_with_numpy(shape):
    x = np.random.default_rng(0).normal(100, 30, shape).astype(np.float32)
    axes = (0, *range(2, len(shape)))
    found = measure(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=axes, dtype=np.float64))
    expected = x.std(axis=axes, dtype=np.float64)
    np.testing.assert_allclose(found.std, np.where(expected == 0, 1, expected), rtol=1e-6)


def test_applied_to_what_was_measured_it_gives_zero_mean_and_unit_variance():
    x = np.random.default_rng(0).uniform(0, 255, (300, 3, 8, 8)).astype(np.float32)
    normal = measure(x).apply(x)
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std(axis=(0, 2, 3)), 1, atol=1e-4)


def test_what_is_constant_stays_finite():
    x = np.full((10, 2), 7.1, np.float32)
    assert measure(x).std == (1.0, 1.0)
    np.testing.assert_allclose(measure(x).apply(x), 0, atol=1e-5)


def test_small_units_are_not_taken_for_constant():
    x = np.asarray([[1e-5], [-1e-5]], np.float32)
    np.testing.assert_allclose(measure(x).apply(x), [[1], [-1]], rtol=1e-5)


def test_a_vector_has_one_pair_per_feature():
    np.testing.assert_allclose(Normalization((1.0, 2.0), (2.0, 4.0)).apply(np.asarray([[3.0, 10.0]])), [[1.0, 2.0]])


def test_a_stated_map_is_for_all_channels_or_for_each():
    measured = measure(np.arange(24.0).reshape(4, 3, 2))
    assert stated(None, None, measured) is measured
    assert stated((1,), (2.0,), measured) == Normalization((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
    assert stated((1, 2, 3), (2.0,), measured) == Normalization((1.0, 2.0, 3.0), (2.0, 2.0, 2.0))
    with pytest.raises(RecipeError, match="2 numbers to standardize by; 1 or 3 are needed"):
        stated((1.0,), (1.0, 2.0), measured)
