"""Chains that agree are told from chains that do not, by what they predict."""

import numpy as np
import pytest
import torch

from bitsback.errors import BitsbackError
from bitsback.measure.mixing import split_rhat
from bitsback.posterior.samples import Samples
from bitsback.posterior.store import Stored
from bitsback.recipe.text import parse
from bitsback.run.fit import fit
from bitsback.run.forms import shipped
from bitsback.run.materials import gather
from bitsback.run.mixing import limit, mixing
from bitsback.run.watcher import Watcher

CHAINS, DRAWS = 4, 50


def materials(task):
    name = {"classes": "digits", "numbers": "diabetes"}[task]
    content = {"data": {"name": name, "limit": 250, "validation": 0.2}, "network": {"options": {"hidden": [4]}}}
    return gather(parse({**content, "inference": {"method": "hmc"}}))


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
        (row.what, row.of.get("quantity")): row.value or 0.0
        for row in mixing(given, stored(given, apart), {"stage": "dense"})
    }
    for quantity in ("log likelihood", "predictions"):
        rhat, effective = rows["split_rhat", quantity], rows["effective_samples", quantity]
        assert rhat is not None
        assert effective is not None
        assert (rhat < rows["split_rhat_limit", None]) == mixed
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


@pytest.mark.parametrize("method", ["sghmc", "sgld", "hmc", "deep_ensemble", "snapshot_ensemble"])
def test_a_run_keeps_its_samples_and_says_whether_its_chains_mixed(method, tmp_path):
    inference = {
        "sghmc": {"samples": 8, "chains": 2},
        "sgld": {"samples": 8, "chains": 2},
        "hmc": {"samples": 8, "chains": 2, "leapfrog": 2},
        "deep_ensemble": {"members": 2},
        "snapshot_ensemble": {"members": 2},
    }[method]
    content = {
        "data": {"name": "digits", "limit": 300, "validation": 0.2},
        "network": {"options": {"hidden": [4]}},
        "inference": {"method": method, **inference},
        "fit": {"epochs": 4},
    }
    run, made, fitted = fit(tmp_path / "run", parse(content), Watcher(), command="test")
    count = next(value for key, value in inference.items() if key in {"samples", "members"})
    assert fitted.posterior.listing is not None
    assert fitted.posterior.listing.values == made.recipe.members == count
    program = fitted.program(shipped(made))
    assert (program.form, program.members) == ("ensemble", count)
    rows = [row for row in run.rows() if row.what == "split_rhat"]
    assert len(rows) == (2 if method in {"sghmc", "sgld", "hmc"} else 0)
    starts = fitted.posterior.sample(count, torch.Generator())["1.weight"]
    assert len(torch.unique(starts.flatten(1), dim=0)) == count


@pytest.mark.parametrize(("chains", "draws"), [(4, 8), (2, 20), (1, 100)])
def test_of_few_draws_that_are_independent_hardly_any_are_called_unmixed(chains, draws):
    values = np.random.default_rng(0).standard_normal((400, chains, draws))
    found = np.array([split_rhat(each) for each in values], dtype=float)
    assert (found > limit(chains, draws)).mean() < 0.03  # the larger of two
    apart = values + 3 * np.arange(chains)[:, None] + np.linspace(0, 3, draws)
    assert np.mean([(split_rhat(each) or 0.0) > limit(chains, draws) for each in apart[:50]]) > 0.8


@pytest.mark.parametrize(
    ("inference", "said"),
    [({"method": "mc_dropout"}, "the network has no dropout"), ({"method": "sghmc", "samples": 400}, "a chain of")],
)
def test_a_method_that_cannot_fit_this_leaves_nothing_behind(inference, said, tmp_path):
    content = {"data": {"name": "digits", "limit": 300}, "inference": inference, "fit": {"epochs": 1}}
    with pytest.raises(BitsbackError, match=said):
        fit(tmp_path / "run", parse(content), Watcher(), command="test")
    assert not (tmp_path / "run").exists()
