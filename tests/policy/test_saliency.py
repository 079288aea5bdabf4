import pytest
import torch

from bitsback.errors import PolicyError
from bitsback.policy.saliency import saliency
from bitsback.posterior.contract import Dropout
from bitsback.posterior.dropout_posterior import DropoutPosterior
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.posterior.point_posterior import PointPosterior

MEANS = {"a": torch.tensor([[3.0, -2.0], [0.0, 0.0]]), "b": torch.tensor([-1.0, 4.0])}
STDS = {"a": torch.tensor([[1.5, 0.5], [1.0, 0.0]]), "b": torch.tensor([0.1, 0.0])}


def test_the_score_is_the_mean_in_standard_deviations_or_the_mean_alone():
    posterior = MeanFieldPosterior(MEANS, STDS, {})
    ratios = saliency("snr", posterior)
    torch.testing.assert_close(ratios["a"], torch.tensor([[2.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(ratios["b"][:1], torch.tensor([10.0]))
    assert ratios["b"][1] > 1e30  # certain
    sizes = saliency("magnitude", posterior)
    assert all(torch.equal(sizes[name], mean.abs()) for name, mean in MEANS.items())


def test_what_was_pruned_goes_first():
    scores = saliency("snr", MeanFieldPosterior({"a": torch.tensor([0.0, 1e-6])}, {"a": torch.tensor([0.0, 10.0])}, {}))
    assert scores["a"][0] == 0 < scores["a"][1]


def test_a_point_has_magnitudes_only():
    assert torch.equal(saliency("magnitude", PointPosterior(MEANS, {}))["b"], torch.tensor([1.0, 4.0]))
    with pytest.raises(PolicyError, match="'snr' needs weights with a variance, and a point has none; use 'magnitude'"):
        saliency("snr", PointPosterior(MEANS, {}))


def test_what_varies_by_a_dropout_alone_has_no_ratio_of_its_own():
    posterior = DropoutPosterior(MEANS, {}, {"b": Dropout("0", 2, 0.5)})
    with pytest.raises(PolicyError, match="'snr' says nothing where a dropout is all that varies; use 'magnitude'"):
        saliency("snr", posterior)
    assert torch.equal(saliency("magnitude", posterior)["b"], MEANS["b"].abs())
