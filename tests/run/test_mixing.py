"""Chains that agree are told from chains that do not, by what they predict."""

import numpy as np
import pytest
import torch

from bitsback.posterior.samples import Samples
from bitsback.posterior.store import Stored
from bitsback.recipe.text import parse
from bitsback.run.materials import gather
from bitsback.run.mixing import mixing

CHAINS, DRAWS = 4, 50


def materials(task):
    name = {"classes": "digits", "numbers": "diabetes"}[task]
    return gather(parse({"data": {"name": name, "validation": 0.2}, "network": {"options": {"hidden": [4]}}}))


def stored(given, apart):
    """Samples around the network's own params, each chain's as far from the others' as asked for."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, value in given.traces.evaluation.params.items():
        drawn = 0.1 * torch.randn(CHAINS, DRAWS, *value.shape, generator=generator)
        drawn += apart * torch.randn(CHAINS, 1, *value.shape, generator=generator)
        weights[name] = value + drawn.flatten(0, 1)
    noise = torch.zeros(0 if given.data.target_normalization is None else 1)
    return Stored(Samples(weights, {}, {}, CHAINS), noise)


@pytest.mark.parametrize("task", ["classes", "numbers"])
@pytest.mark.parametrize(("apart", "mixed"), [(0.0, True), (1.0, False)])
def test_chains_that_are_elsewhere_are_seen_in_what_they_predict(task, apart, mixed):
    given = materials(task)
    rows = {
        (row.what, row.of["quantity"]): row.value for row in mixing(given, stored(given, apart), {"stage": "dense"})
    }
    for quantity in ("log likelihood", "predictions"):
        rhat, effective = rows["split_rhat", quantity], rows["effective_samples", quantity]
        assert rhat is not None
        assert effective is not None
        assert (rhat < 1.05) == mixed
        assert (effective > 100) == mixed


def test_there_is_no_figure_of_few_samples_or_of_none():
    given = materials("classes")
    weights = {name: value.expand(12, *value.shape) for name, value in given.traces.evaluation.params.items()}
    few = Stored(Samples(weights, {}, {}, 4), torch.zeros(0))
    assert mixing(given, few, {}) == []


def test_samples_that_are_all_the_same_agree():
    given = materials("classes")
    params = given.traces.evaluation.params
    same = Stored(Samples({n: v.expand(8, *v.shape) for n, v in params.items()}, {}, {}, 2), torch.zeros(0))
    rows = mixing(given, same, {})
    assert [row.value for row in rows if row.what == "split_rhat"] == [1.0, 1.0]
    assert np.isfinite([row.value or 0.0 for row in rows]).all()
