import pytest
import torch
from torch.distributions import Categorical, Normal

from bitsback.posterior.likelihood import Likelihood


def test_classes_are_categorical():
    logits, targets = 3 * torch.randn(9, 4), torch.arange(9) % 4
    likelihood = Likelihood("classification", 4)
    expected = -Categorical(logits=logits).log_prob(targets).mean()
    torch.testing.assert_close(likelihood.nll(logits, targets, likelihood.start()), expected)
    assert likelihood.start().shape == (0,)


def test_reals_are_normal_summed_over_targets_and_averaged_over_data():
    means, targets, log_noise = torch.randn(9, 2), torch.randn(9, 2), torch.tensor([-1.0, 0.5])
    likelihood = Likelihood("regression", 2)
    expected = -Normal(means, log_noise.exp()).log_prob(targets).sum(-1).mean()
    torch.testing.assert_close(likelihood.nll(means, targets, log_noise), expected)
    assert torch.equal(likelihood.start(), torch.zeros(2))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_equal_batches_average_to_the_whole(task):
    likelihood = Likelihood(task, 3)
    outputs, log_noise = torch.randn(8, 3), torch.zeros(3)
    targets = torch.arange(8) % 3 if task == "classification" else torch.randn(8, 3)
    parts = [likelihood.nll(outputs[i : i + 2], targets[i : i + 2], log_noise) for i in range(0, 8, 2)]
    torch.testing.assert_close(torch.stack(parts).mean(), likelihood.nll(outputs, targets, log_noise))
