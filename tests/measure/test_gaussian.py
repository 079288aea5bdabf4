import numpy as np
import pytest
import torch

from bitsback.measure.gaussian import interval_coverage, nll


@pytest.mark.parametrize("targets", [1, 3])
def test_the_likelihood_is_that_of_pytorch(targets):
    generator = np.random.default_rng(0)
    error, total = generator.normal(size=(50, targets)), generator.random(50) + 0.1
    var = torch.from_numpy(total / targets)[:, None].expand(50, targets)
    theirs = torch.nn.functional.gaussian_nll_loss(
        torch.from_numpy(error), torch.zeros(50, targets, dtype=torch.float64), var, full=True, reduction="none"
    )
    assert nll(error, total) == pytest.approx(float(theirs.sum(1).mean()))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_a_gaussians_own_intervals_hold_what_they_should(level):
    generator = np.random.default_rng(1)
    total = generator.random(20000) * 3
    error = generator.normal(size=(20000, 2)) * np.sqrt(total / 2)[:, None]
    assert interval_coverage(error, total, level) == pytest.approx(level, abs=0.01)
    assert interval_coverage(error * 2, total, level) < level - 0.05


def test_no_variance_at_all_is_finite():
    assert np.isfinite(nll(np.ones((3, 1)), np.zeros(3)))
    assert interval_coverage(np.array([[0.0], [1.0]]), np.zeros(2), 0.9) == 0.5
