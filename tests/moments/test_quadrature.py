import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bitsback.moments.quadrature import smooth
from bitsback.posterior.contract import Gaussian
from tests.moments.integrals import moments

FUNCTIONS = (torch.sigmoid, torch.tanh, functional.gelu, functional.silu)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("mean", [-4.0, -1.0, 0.0, 0.5, 3.0])
@pytest.mark.parametrize(("std", "allowed"), [(0.01, 1e-8), (0.5, 1e-8), (1.0, 2e-8), (2.0, 2e-4), (4.0, 1e-2)])
def test_moments_are_the_integrals_to_the_stated_error(
    function: Callable[[Tensor], Tensor], mean: float, std: float, allowed: float
) -> None:
    found = smooth(function, Gaussian(torch.tensor([mean]).double(), torch.tensor([std**2]).double()))
    right_mean, right_var = moments(lambda x: float(function(torch.tensor(x, dtype=torch.float64))), mean, std)
    assert float(found.mean) == pytest.approx(right_mean, rel=0, abs=allowed)
    assert math.sqrt(float(found.var)) == pytest.approx(math.sqrt(right_var), rel=0, abs=allowed)
