import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitsback.compress.masks import masks_for, prune, sweep
from bitsback.errors import PolicyError
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.posterior.point_posterior import PointPosterior

SHAPES = {"a.weight": (4, 5), "a.bias": (4,), "b.weight": (3, 4), "b.bias": (3,), "c.weight": (2, 3, 3, 3)}
WEIGHTS = [name for name in SHAPES if name.endswith("weight")]


def posterior(seed=0):
    generator = torch.Generator().manual_seed(seed)
    means = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    stds = {name: torch.rand(shape, generator=generator) + 0.1 for name, shape in SHAPES.items()}
    return MeanFieldPosterior(means, stds, {})


def dropped(masks):
    return {name: int((mask == 0).sum()) for name, mask in masks.items()}


@given(st.floats(0, 1), st.sampled_from(["snr", "magnitude"]), st.integers(0, 5))
def test_globally_exactly_the_share_goes_and_the_least_go(sparsity, saliency, seed):
    whole = posterior(seed)
    masks = masks_for(whole, Policy(Choice(sparsity, saliency)))
    assert list(masks) == WEIGHTS
    total = sum(math.prod(SHAPES[name]) for name in WEIGHTS)
    assert sum(dropped(masks).values()) == round(sparsity * total)
    worth = {n: m.mean.abs() / (m.var.sqrt() if saliency == "snr" else 1) for n, m in whole.marginals().items()}
    kept, gone = (torch.cat([worth[n][masks[n] == value] for n in masks]) for value in (1, 0))
    assert not len(kept) or not len(gone) or gone.max() <= kept.min()


@given(st.floats(0, 1), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["global", "layer"]))
def test_blocks_go_whole_and_the_least_go(sparsity, rows, columns, scope):
    whole = posterior()
    masks = masks_for(whole, Policy(Choice(sparsity, "magnitude", scope, (rows, columns))))
    kept, gone, total, dropped_in_all = [], [], 0, 0
    for name in WEIGHTS:
        mask, mean = masks[name].flatten(1), whole.marginals()[name].mean.flatten(1)
        for row in range(0, len(mask), rows):
            for column in range(0, mask.shape[1], columns):
                place = slice(row, row + rows), slice(column, column + columns)
                assert len(mask[place].unique()) == 1
                side = kept if mask[place].flatten()[0] else gone
                side.append(float(mean[place].double().square().mean().sqrt()))
        total, dropped_in_all = total + mask.numel(), dropped_in_all + int((mask == 0).sum())
        if scope == "layer":
            assert int((mask == 0).sum()) <= round(sparsity * mask.numel())
    if scope == "global":
        asked = round(sparsity * total)
        assert asked - rows * columns < dropped_in_all <= asked
        assert not kept or not gone or max(gone) <= min(kept) + 1e-12


@given(st.floats(0, 1))
def test_by_layer_each_loses_exactly_its_share(sparsity):
    masks = masks_for(posterior(), Policy(Choice(sparsity, scope="layer")))
    assert dropped(masks) == {name: round(sparsity * math.prod(SHAPES[name])) for name in WEIGHTS}


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["global", "layer"]))
def test_what_goes_at_a_lower_sparsity_goes_at_a_higher_one(one, other, scope):
    more, less = (masks_for(posterior(), Policy(Choice(s, scope=scope))) for s in (max(one, other), min(one, other)))
    assert all((more[name] <= less[name]).all() for name in more)


def test_ties_go_by_position():
    even = PointPosterior({"a": torch.ones(2, 3), "b": torch.ones(2, 2)}, {})
    masks = masks_for(even, Policy(Choice(0.7, "magnitude")))
    assert masks["a"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert masks["b"].tolist() == [[0, 1], [1, 1]]


def test_a_layer_with_a_choice_of_its_own_loses_its_share_and_does_not_compete():
    whole = posterior()
    policy = Policy(Choice(0.5), {"b.weight": Choice(0.25, "magnitude"), "b.*": Choice(1.0), "c.weight": Choice(0.0)})
    masks = masks_for(whole, policy)
    assert dropped(masks) == {"a.weight": 10, "b.weight": 3, "b.bias": 3, "c.weight": 0}
    assert list(masks) == ["a.weight", "b.weight", "b.bias", "c.weight"]
    gone = whole.means["b.weight"].abs()[masks["b.weight"] == 0]
    assert gone.max() <= whole.means["b.weight"].abs()[masks["b.weight"] == 1].min()


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_what_one_pattern_speaks_for_competes_within_it_where_its_scope_is_global(scope):
    whole = posterior()
    masks = masks_for(whole, Policy(Choice(0.0), {"[ab].weight": Choice(0.5, "magnitude", scope)}))
    each = dropped(masks)
    assert each["a.weight"] + each["b.weight"] == 16
    if scope == "layer":
        assert (each["a.weight"], each["b.weight"]) == (10, 6)
        return
    kept, gone = (torch.cat([whole.means[n].abs()[masks[n] == v] for n in ("a.weight", "b.weight")]) for v in (1, 0))
    assert gone.max() <= kept.min()


def test_a_bias_goes_only_where_it_is_named():
    assert "a.bias" not in masks_for(posterior(), Policy(Choice(1.0)))
    assert dropped(masks_for(posterior(), Policy(Choice(0.0), {"a.bias": Choice(0.5)})))["a.bias"] == 2


def test_a_pattern_without_a_param_is_refused():
    with pytest.raises(PolicyError, match=r"pattern 'd\.\*' matches no param; there are a.weight, a.bias"):
        masks_for(posterior(), Policy(layers={"d.*": Choice()}))
    with pytest.raises(PolicyError, match=r"'a\.weight' never counts: '\*' comes first and takes a\.weight;"):
        masks_for(posterior(), Policy(layers={"*": Choice(), "a.weight": Choice()}))  # the first takes all


def test_a_point_is_pruned_by_magnitude_alone():
    point = PointPosterior(posterior().means, {})
    assert sum(dropped(masks_for(point, Policy(Choice(0.5, "magnitude")))).values()) == 43
    with pytest.raises(PolicyError, match="use 'magnitude'"):
        masks_for(point, Policy(Choice(0.5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.uint8, torch.int64])
def test_own_masks_set_mean_variance_and_draws_to_exactly_zero(dtype):
    whole, mask = posterior(), (torch.arange(20).reshape(4, 5) % 2).to(dtype)
    pruned = prune(whole, {"a.weight": mask})
    gone = mask == 0
    mean, var = pruned.marginals()["a.weight"]
    draws = pruned.sample(3, torch.Generator().manual_seed(0))
    assert not mean[gone].any()
    assert not var[gone].any()
    assert not draws["a.weight"][:, gone].any()
    plain = whole.sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(draws["a.weight"][:, ~gone], plain["a.weight"][:, ~gone])
    assert torch.equal(draws["b.weight"], plain["b.weight"])


def test_what_is_pruned_stays_so_whatever_it_was():
    wild = PointPosterior({"a": torch.tensor([[math.inf, math.nan, -1.0]])}, {})
    assert prune(wild, {"a": torch.tensor([[0.0, 0.0, 1.0]])}).marginals()["a"].mean.tolist() == [[0.0, 0.0, -1.0]]


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ({"z": torch.ones(4, 5)}, "a mask for 'z', which is no random param; those are a.weight, a.bias"),
        ({"a.weight": torch.ones(5, 4)}, r"the mask for 'a.weight' has shape \[5, 4\]; the param has \[4, 5\]"),
        ({"a.weight": torch.ones(5)}, r"has shape \[5\]"),
        ({"a.weight": torch.full((4, 5), 0.5)}, "the mask for 'a.weight' holds values other than 0 and 1"),
        ({"a.weight": torch.full((4, 5), math.nan)}, "values other than 0 and 1"),
    ],
)
def test_own_masks_that_do_not_fit_are_refused(masks, said):
    with pytest.raises(PolicyError, match=said):
        prune(posterior(), masks)


def test_a_sweep_prunes_the_same_posterior_to_each_sparsity():
    policy = Policy(Choice(0.3, scope="layer"), {"c.weight": Choice(0.5)})
    swept = sweep(posterior(), policy, [0.0, 0.5, 0.9])
    assert list(swept) == [0.0, 0.5, 0.9]
    assert [dropped(pruned.masks)["a.weight"] for pruned in swept.values()] == [0, 10, 18]
    assert {dropped(pruned.masks)["c.weight"] for pruned in swept.values()} == {27}
    again = prune(posterior(), masks_for(posterior(), Policy(Choice(0.9, scope="layer"), policy.layers)))
    assert all(torch.equal(again.masks[name], mask) for name, mask in swept[0.9].masks.items())
