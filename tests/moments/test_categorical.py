"""Class probabilities of Gaussian logits: laws, and samples as the reference."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitsback.form.outputs import classify
from bitsback.moments.categorical import shares
from bitsback.posterior.contract import Gaussian


def logits(std: float, classes: int = 10, count: int = 24, seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = 3 * torch.randn(count, classes, generator=generator)
    mean[: count // 3, 0] += 8
    return Gaussian(mean, (std * (0.5 + torch.rand(count, classes, generator=generator))).square())


def entropy(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp_min(1e-38).log()).sum(-1)


@pytest.mark.parametrize(
    ("std", "allowed"),
    [(0.1, (0.001, 0.0005)), (0.5, (0.006, 0.005)), (1, (0.01, 0.03)), (2, (0.02, 0.06)), (5, (0.04, 0.15))],
)
def test_it_says_what_many_samples_say(std: float, allowed: tuple[float, float]) -> None:
    value = logits(std)
    noise = torch.randn(30_000, *value.mean.shape, generator=torch.Generator().manual_seed(1))
    right = classify(torch.log_softmax(value.mean + value.var.sqrt() * noise, -1))
    mean, knowledge = shares(value)
    torch.testing.assert_close(mean, right.mean, rtol=0, atol=allowed[0])
    torch.testing.assert_close(knowledge, right.knowledge, rtol=0, atol=allowed[1])


@given(std=st.floats(0, 20), classes=st.integers(2, 33), seed=st.integers(0, 50))
def test_shares_sum_to_one_and_knowledge_is_between_nothing_and_all(std: float, classes: int, seed: int) -> None:
    mean, knowledge = shares(logits(std, classes, 6, seed))
    torch.testing.assert_close(mean.sum(-1), torch.ones(6))
    assert bool((mean >= 0).all())
    assert bool((knowledge >= 0).all())


@pytest.mark.parametrize("classes", [2, 3, 8, 10, 33])
def test_without_a_variance_it_is_the_softmax_and_all_is_known(classes: int) -> None:
    value = logits(0.0, classes)
    mean, knowledge = shares(value)
    torch.testing.assert_close(mean, torch.softmax(value.mean, -1))
    torch.testing.assert_close(knowledge, torch.zeros_like(knowledge), rtol=0, atol=2e-7)


@pytest.mark.parametrize("by", [-50.0, 3.0, 200.0])
def test_what_is_added_to_all_logits_does_not_matter(by: float) -> None:
    value = logits(1.5)
    for got, right in zip(shares(Gaussian(value.mean + by, value.var)), shares(value), strict=True):
        torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-5)


def test_more_variance_is_less_knowledge_of_the_class() -> None:
    value = logits(1.0)
    found = [shares(Gaussian(value.mean, value.var * factor))[1] for factor in (0.01, 0.1, 0.5, 1.0, 4.0, 16.0)]
    assert all(bool((more > less).all()) for less, more in itertools.pairwise(found))


def test_classes_that_are_alike_have_equal_shares() -> None:
    mean, knowledge = shares(Gaussian(torch.full((1, 8), 2.0), torch.full((1, 8), 4.0)))
    torch.testing.assert_close(mean, torch.full((1, 8), 1 / 8))
    assert 0 < float(knowledge) < float(entropy(mean))


def test_small_knowledge_keeps_its_accuracy() -> None:
    value = logits(0.01)
    share = torch.softmax(value.mean.double(), -1)
    variance = value.var.double()
    # To second order the mutual information is half the variance of each log share, weighted by its share.
    own = (torch.eye(10) - share.unsqueeze(-2)).square()
    right = 0.5 * (share * (own * variance.unsqueeze(-2)).sum(-1)).sum(-1)
    torch.testing.assert_close(shares(Gaussian(value.mean.double(), variance))[1], right, rtol=2e-3, atol=1e-9)
