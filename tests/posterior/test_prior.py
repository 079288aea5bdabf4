import math

import pytest
import torch

from bitsback.errors import RecipeError
from bitsback.posterior.prior import Normal, ScaleMixture
from tests.posterior.densities import density

PRIORS = [Normal(0.3), Normal(2.0), ScaleMixture(), ScaleMixture(0.25, 1.0, math.exp(-7)), ScaleMixture(0.9, 0.5, 0.4)]


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_log_density_is_that_of_torch_distributions(prior):
    weights = torch.cat([torch.linspace(-3, 3, 301), torch.logspace(-8, 1, 50)]).double()
    torch.testing.assert_close(prior.log_density(weights.square()), density(prior).log_prob(weights))


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_precision_is_the_slope_of_the_log_density(prior):
    square = torch.logspace(-12, 4, 200).double().requires_grad_()
    (slope,) = torch.autograd.grad(prior.log_density(square).sum(), square)
    torch.testing.assert_close(prior.precision(square.detach()), -2 * slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
@pytest.mark.parametrize("square", [0.0, 1e-38, 1e30, 3e38])
def test_single_precision_stays_finite_far_out(prior, square):
    value = torch.tensor([square])
    assert prior.precision(value).isfinite().all()
    assert (prior.precision(value) > 0).all()
    assert prior.log_density(value.clamp_max(1e30)).isfinite().all()


def test_only_the_normal_prior_is_exact_in_closed_form():
    assert Normal().exact_in_closed_form
    assert not ScaleMixture().exact_in_closed_form


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Normal(0.0), "prior's std is 0.0"),
        (lambda: Normal(math.inf), "prior's std is inf"),
        (lambda: Normal(math.nan), "prior's std is nan"),
        (lambda: ScaleMixture(pi=0.0), "pi is 0.0; it must lie strictly between 0 and 1"),
        (lambda: ScaleMixture(pi=1.0), "pi is 1.0"),
        (lambda: ScaleMixture(pi=math.nan), "pi is nan"),
        (lambda: ScaleMixture(std1=-1.0), "std1 is -1.0"),
        (lambda: ScaleMixture(std1=0.1, std2=0.1), "std2 is 0.1; it must be smaller than std1 = 0.1"),
    ],
)
def test_what_is_no_prior_is_refused(make, said):
    with pytest.raises(RecipeError, match=said):
        make()
