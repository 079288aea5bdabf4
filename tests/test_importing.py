"""Posteriors from elsewhere through the public function, to a file that predicts."""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from pyro.infer.autoguide import AutoDiagonalNormal, AutoNormal

from bitsback.errors import RecipeError
from tests.posterior.pyro_models import plain, saved, trained

bb: Any = importlib.import_module("bitsback")


def flowers() -> dict[str, object]:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 3, 200)
    inputs = rng.normal(0, 1, (200, 4)) + kinds[:, None]
    return {"train": (inputs[:150], kinds[:150]), "test": (inputs[150:], kinds[150:])}


@pytest.fixture
def data(tmp_path, monkeypatch):
    return bb.dataset("tests.test_importing:flowers", input_mean=(0.0,), input_std=(1.0,))


def logits_of(guide, inputs, count):
    """The reference: Pyro's own draws through the plain network."""
    module = plain()
    with torch.no_grad():
        draws = [guide(None) if isinstance(guide, AutoNormal) else guide() for _ in range(count)]
        calls = ({name.removeprefix("net."): value for name, value in draw.items()} for draw in draws)
        return torch.stack([torch.func.functional_call(module, params, inputs) for params in calls])


@pytest.mark.parametrize("guide_of", [AutoNormal, AutoDiagonalNormal])
def test_the_packed_program_predicts_what_pyro_predicts(guide_of, data, tmp_path):
    guide = trained(guide_of, steps=30)
    path = saved(tmp_path / "store.pt")
    sites = list(guide.prototype_trace.stochastic_nodes) if guide_of is AutoDiagonalNormal else ()
    live, stored = bb.imported(plain(), data, guide), bb.imported(plain(), data, path, sites=sites)
    for fitted in (live, stored):
        assert fitted.deterministic == 0
        assert fitted.history == []
    ones, others = live.posterior.marginals(), stored.posterior.marginals()
    assert ones.keys() == others.keys()
    assert all(torch.allclose(a, b) for name in ones for a, b in zip(ones[name], others[name], strict=True))
    reference = logits_of(guide, torch.from_numpy(data.test.inputs), 1000).softmax(-1).mean(0)
    bb.pack(bb.ensemble(bb.prune(stored, 0.0), members=500), tmp_path / "model.bitsback", data)
    found = bb.load(tmp_path / "model.bitsback")
    assert found.manifest.recipe["temperature"] is None
    assert np.abs(found.predict(data.test.inputs).mean - reference.numpy()).max() < 5 * 0.5 / 500**0.5


def test_what_is_left_to_the_network_is_told_once(data):
    params = dict(plain().named_parameters())
    source = {"2.weight": (params["2.weight"], torch.full((3, 5), 0.1))}
    with pytest.warns(UserWarning, match=r"nothing of 28 parameters \(0.weight, 0.bias, 2.bias\)"):
        fitted = bb.imported(plain(), data, source)
    assert fitted.deterministic == 28
    assert set(fitted.network.deterministic.values()) == {"not in the posterior"}


def test_it_is_printed_in_a_line(data):
    source = {name: value.detach() for name, value in plain().named_parameters()}
    source["2.weight"] = (source["2.weight"], torch.full((3, 5), 0.1))
    fitted = bb.imported(plain(), data, source)
    assert repr(fitted) == "FittedNetwork(43 parameters, 28 as points, 0 pruned)"
    assert str(bb.prune(fitted, 0.4)) == "FittedNetwork(43 parameters, 28 as points, 6 pruned)"


def test_a_fit_goes_on_from_an_imported_posterior(data):
    source = {name: (value.detach(), torch.full_like(value, 0.1)) for name, value in plain().named_parameters()}
    fitted = bb.fit(plain(), data, bb.MeanField(bb.Normal()), epochs=1, start=bb.imported(plain(), data, source))
    assert len(fitted.history) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": 3}, "source is of type int"),
        ({"names": ["a"]}, "names is"),
        ({"names": {"a": 1}}, "names is"),
        ({"sites": "a"}, "sites is 'a'"),
        ({"noise": 1.0}, "noise is 1.0, and the targets of"),
    ],
)
def test_wrong_arguments_are_named(data, more, said):
    source = {name: (value.detach(), torch.full_like(value, 0.1)) for name, value in plain().named_parameters()}
    with pytest.raises(RecipeError, match=said):
        bb.imported(plain(), data, **{"source": source, **more})
