from itertools import pairwise

import pytest
import torch

from bitsback.compress.masks import masks_for
from bitsback.compress.schedule import Cycles, prune_in_cycles
from bitsback.errors import RecipeError
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.mean_field import MeanFieldPosterior


def posterior(scale=1.0):
    generator = torch.Generator().manual_seed(0)
    means = {name: scale * torch.randn(20, 10, generator=generator) for name in ("a", "b")}
    return MeanFieldPosterior(means, {name: torch.ones(20, 10) for name in means}, {})


POLICY = Policy(Choice(0.9), {"b": Choice(0.5)})


def share(masks, name):
    return float((masks[name] == 0).double().mean())


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_kept_falls_in_equal_ratios_to_exactly_the_end(count):
    kept = [1.0, *(1 - Cycles(count).share(cycle, 0.9) for cycle in range(1, count + 1))]
    assert Cycles(count).share(count, 0.9) == 0.9
    assert [after / before for before, after in pairwise(kept)] == pytest.approx([0.1 ** (1 / count)] * count)
    assert [Cycles(count).share(cycle, 1.0) for cycle in range(1, count + 1)] == [1.0] * count
    assert not any(Cycles(count).share(cycle, 0.0) for cycle in range(1, count + 1))


@pytest.mark.parametrize("count", [1, 3])
def test_each_cycle_prunes_more_of_what_was_refitted(count):
    seen = []

    def refit(pruned, masks, cycle):
        seen.append((cycle, masks))
        assert all(not mean[masks[name] == 0].any() for name, (mean, _) in pruned.marginals().items())
        means = {name: 2 * marginal.mean for name, marginal in pruned.marginals().items()}
        return MeanFieldPosterior(means, {name: torch.ones(20, 10) for name in means}, {})

    pruned = prune_in_cycles(posterior(), POLICY, Cycles(count, recover=True), refit)
    assert [cycle for cycle, _ in seen] == list(range(1, count + 1))
    for (_, before), (_, after) in pairwise(seen):
        assert all((after[name] <= before[name]).all() for name in after)
        assert all(after[name].sum() < before[name].sum() for name in after)
    assert (share(pruned.masks, "a"), share(pruned.masks, "b")) == (0.9, 0.5)
    kept = pruned.masks["a"] == 1
    assert torch.equal(pruned.marginals()["a"].mean[kept], 2**count * posterior().means["a"][kept])


@pytest.mark.parametrize("count", [1, 4])
def test_without_recovery_cycles_end_where_one_shot_does(count):
    def never(*_):
        raise AssertionError

    pruned = prune_in_cycles(posterior(), POLICY, Cycles(count), never)
    expected = masks_for(posterior(), POLICY)
    assert all(torch.equal(pruned.masks[name], mask) for name, mask in expected.items())


def test_no_cycle_is_refused():
    with pytest.raises(RecipeError, match="cycles is 0; it must be a whole number, at least 1"):
        Cycles(0)
