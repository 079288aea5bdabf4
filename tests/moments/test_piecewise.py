import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitsback.moments import piecewise
from bitsback.posterior.contract import Gaussian
from tests.moments.integrals import moments

MEANS = (-6.0, -2.5, -0.3, 0.0, 0.7, 3.0, 6.0, 9.0)


def value(mean: float, std: float, dtype: torch.dtype = torch.float64) -> Gaussian:
    return Gaussian(torch.tensor([mean], dtype=dtype), torch.tensor([std**2], dtype=dtype))


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("std", [0.4, 1.0, 5.0])
@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_rectified_moments_are_the_integrals(mean: float, std: float, slope: float) -> None:
    found = piecewise.relu(value(mean, std), slope)
    expected = moments(lambda x: x if x > 0 else slope * x, mean, std, (0.0,))
    assert float(found.mean) == pytest.approx(expected[0], rel=2e-6, abs=1e-9 * std)
    assert float(found.var) == pytest.approx(expected[1], rel=2e-5, abs=1e-9 * std**2)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("std", [0.4, 1.0, 5.0])
@pytest.mark.parametrize("bounds", [(0.0, 6.0), (-1.0, 1.0), (0.5, None), (None, 0.5)])
def test_clamped_moments_are_the_integrals(mean: float, std: float, bounds: tuple[float | None, float | None]) -> None:
    low, high = bounds
    found = piecewise.clamp(value(mean, std), low, high)
    kinks = tuple(bound for bound in bounds if bound is not None)
    infinite = (low if low is not None else -1e9, high if high is not None else 1e9)
    expected = moments(lambda x: min(max(x, infinite[0]), infinite[1]), mean, std, kinks)
    assert float(found.mean) == pytest.approx(expected[0], rel=2e-6, abs=1e-8 * std)
    assert float(found.var) == pytest.approx(expected[1], rel=2e-5, abs=3e-8 * std**2)


@given(mean=st.floats(-1e3, 1e3), std=st.floats(1e-4, 1e3))
def test_single_precision_follows_double(mean: float, std: float) -> None:
    single, double = piecewise.relu(value(mean, std, torch.float32)), piecewise.relu(value(mean, std))
    # z = mean / std is rounded to 1e-7 of itself, and the tails' logarithm changes by z² times that.
    allowed = 1e-5 * std
    assert float(single.mean) == pytest.approx(float(double.mean), rel=1e-5, abs=allowed)
    assert float(single.var) == pytest.approx(float(double.var), rel=1e-4, abs=allowed * std)


def test_relu6_is_relu_below_and_its_mirror_image_above() -> None:
    below, above = value(0.3, 0.5), value(5.7, 0.5)
    torch.testing.assert_close(piecewise.clamp(below, 0, 6), piecewise.relu(below))
    torch.testing.assert_close(piecewise.clamp(above, 0, 6).var, piecewise.relu(below).var)


def test_no_bound_changes_nothing() -> None:
    before = value(0.3, 0.5)
    assert piecewise.clamp(before) is before
