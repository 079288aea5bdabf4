import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.classification import binary_auroc

from bitsback.measure.ranking import auroc, histogram, midranks


@pytest.mark.parametrize("decimals", [12, 1, 0])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 200), (150, 90)])
def test_auroc_agrees_with_others_with_and_without_ties(decimals, sizes):
    generator = np.random.default_rng(sum(sizes))
    higher, lower = (
        np.round(generator.normal(shift, 1, size), decimals) for shift, size in zip((0.7, 0), sizes, strict=True)
    )
    kind = np.repeat([1, 0], sizes)
    scores = np.concatenate([higher, lower])
    found = auroc(higher, lower)
    pairs = np.mean([(h > x) + 0.5 * (h == x) for h in higher for x in lower])
    assert found == pytest.approx(pairs)
    assert found == pytest.approx(roc_auc_score(kind, scores))
    squashed = 1 / (1 + np.exp(-scores))  # torchmetrics takes scores outside of 0..1 for logits
    assert found == pytest.approx(float(binary_auroc(torch.from_numpy(squashed), torch.from_numpy(kind))), abs=1e-6)


def test_auroc_at_its_ends():
    low, high = np.array([0.0, 1.0]), np.array([2.0, 3.0, 4.0])
    assert auroc(high, low) == 1
    assert auroc(low, high) == 0
    assert auroc(np.zeros(5), np.zeros(7)) == 0.5
    assert auroc(np.zeros(0), low) is None
    assert auroc(low, np.zeros(0)) is None


def test_ties_share_the_mean_of_their_ranks():
    assert midranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


@pytest.mark.parametrize("inside", [np.zeros(5), np.array([0.0, 1e-9]), np.full(3, 2.3, np.float32), np.arange(50.0)])
def test_a_histogram_counts_everything_once(inside):
    outside = inside[:2]
    found = histogram(inside, outside, bins=8)
    assert len(found["edges"]) == 9
    assert np.all(np.diff(found["edges"]) > 0)
    assert (sum(found["inside"]), sum(found["outside"])) == (len(inside), len(outside))
