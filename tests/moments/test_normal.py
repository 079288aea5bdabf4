import numpy as np
import pytest
import torch
from scipy import special, stats

from bitsback.moments.normal import normal, standardized


@pytest.mark.parametrize(("dtype", "allowed", "farthest"), [(torch.float64, 3e-8, 36.0), (torch.float32, 2e-5, 12.0)])
def test_both_tails_keep_their_relative_accuracy(dtype: torch.dtype, allowed: float, farthest: float) -> None:
    z = torch.linspace(-farthest, farthest, 4001, dtype=dtype)
    found = normal(z)
    points = z.double().numpy()
    for got, right in (
        (found.density, stats.norm.pdf(points)),
        (found.lower, special.ndtr(points)),
        (found.upper, special.ndtr(-points)),
    ):
        # exp(−z²/2) alone has a relative error of z²/2 roundings: 4e-6 in float32 at z = 12.
        np.testing.assert_allclose(got.double().numpy(), right, rtol=allowed)


def test_the_tails_add_up_to_one() -> None:
    z = torch.linspace(-9, 9, 1001)
    found = normal(z)
    torch.testing.assert_close(found.lower + found.upper, torch.ones_like(z), rtol=0, atol=2e-7)


@pytest.mark.parametrize(("mean", "expected"), [(2.0, 40.0), (-2.0, -40.0), (0.0, 0.0)])
def test_a_standard_deviation_of_zero_is_far_away_and_finite(mean: float, expected: float) -> None:
    assert float(standardized(torch.tensor(mean), torch.tensor(0.0))) == expected
