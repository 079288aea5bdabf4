import os
import pickle
import subprocess
import sys
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import (
    AutoDelta,
    AutoDiagonalNormal,
    AutoGuideList,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    AutoNormal,
)
from pyro.nn import PyroSample
from torch.distributions import constraints

from bitsback.errors import NetworkError
from bitsback.given.network import trace
from bitsback.posterior.foreign import place
from bitsback.posterior.pyro_guide import from_guide, is_guide, read_store
from tests.posterior.pyro_models import SHAPE, Model, plain, saved, shown, trained

SITES = ("net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias")
PARAMS = tuple(site.removeprefix("net.") for site in SITES)
GUIDES = pytest.mark.parametrize("guide_of", [AutoNormal, AutoDiagonalNormal])


class Exponential(AutoNormal):
    scale_constraint = constraints.positive


@pytest.fixture
def network():
    return trace(plain(), SHAPE)


def sites_of(guide_of):
    return SITES if guide_of is AutoDiagonalNormal else ()


@GUIDES
def test_a_guide_and_its_store_give_the_same_posterior(guide_of, network, tmp_path):
    guide = trained(guide_of)
    live = place(network, from_guide(guide))
    stored = place(network, read_store(saved(tmp_path / "store.pt")), sites=sites_of(guide_of))
    assert tuple(live.posterior.means) == tuple(stored.posterior.means) == PARAMS
    assert live.kind == stored.kind == f"an {guide_of.__name__} guide of Pyro"
    assert not live.own + stored.own + live.narrowed + stored.narrowed
    for name in PARAMS:
        assert live.posterior.means[name].equal(stored.posterior.means[name])
        torch.testing.assert_close(live.posterior.stds[name], stored.posterior.stds[name], rtol=1e-6, atol=0)


@GUIDES
def test_the_posterior_is_what_the_guide_draws(guide_of, network):
    guide = trained(guide_of)
    posterior = place(network, from_guide(guide)).posterior
    with torch.no_grad():
        draws = [guide() for _ in range(2000)] if guide_of is AutoDiagonalNormal else [guide(None) for _ in range(2000)]
    for site, name in zip(SITES, PARAMS, strict=True):
        drawn = torch.stack([draw[site] for draw in draws])
        error = (drawn.mean(0) - posterior.means[name]) / posterior.stds[name]
        assert float(error.abs().max()) < 5 / 2000**0.5
        assert float((drawn.std(0) / posterior.stds[name] - 1).abs().max()) < 5 / 4000**0.5


@pytest.mark.parametrize("guide_of", [AutoNormal, partial(AutoNormal, init_scale=2.0)])
def test_a_scale_is_softplus_of_what_is_stored(guide_of, network, tmp_path):
    trained(guide_of)
    stds = place(network, read_store(saved(tmp_path / "store.pt"))).posterior.stds
    raw = torch.load(tmp_path / "store.pt", weights_only=False)["params"]
    for site, name in zip(SITES, PARAMS, strict=True):
        torch.testing.assert_close(stds[name], shown(f"AutoNormal.scales.{site}"), rtol=1e-6, atol=0)
        torch.testing.assert_close(stds[name], torch.nn.functional.softplus(raw[f"AutoNormal.scales.{site}"].detach()))


def test_a_store_is_read_without_pyro(tmp_path):
    trained(AutoNormal)
    path = saved(tmp_path / "store.pt")
    script = (
        "import sys; sys.modules['pyro'] = None; from pathlib import Path; "
        "from bitsback.posterior.pyro_guide import read_store; "
        f"print(*read_store(Path({str(path)!r})).means)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == list(SITES), done.stderr


def test_a_scale_may_be_exp_of_what_is_stored(network, tmp_path, monkeypatch):
    monkeypatch.setattr(AutoNormal, "scale_constraint", constraints.positive)
    trained(AutoNormal)
    stds = place(network, read_store(saved(tmp_path / "store.pt"))).posterior.stds
    raw = torch.load(tmp_path / "store.pt", weights_only=False)["params"]
    for site, name in zip(SITES, PARAMS, strict=True):
        torch.testing.assert_close(stds[name], shown(f"AutoNormal.scales.{site}"), rtol=1e-6, atol=0)
        torch.testing.assert_close(stds[name], raw[f"AutoNormal.scales.{site}"].detach().exp())


def test_layers_that_stay_points_come_from_the_store_and_from_the_model(network, tmp_path):
    model = Model(points=(0,))
    guide = trained(AutoNormal, model)
    learned = shown("net.0.weight")
    assert not learned.equal(network.params["0.weight"])
    for foreign in (from_guide(guide), read_store(saved(tmp_path / "store.pt"))):
        placed = place(network, foreign)
        assert set(placed.posterior.means) == {"2.weight", "2.bias"}
        assert placed.posterior.fixed["0.weight"].equal(learned)
        assert not placed.own


def test_the_order_of_one_vector_has_to_be_told(network, tmp_path):
    trained(AutoDiagonalNormal)
    stored = read_store(saved(tmp_path / "store.pt"))
    with pytest.raises(NetworkError, match="does not say which of its 43 values"):
        place(network, stored)
    with pytest.raises(NetworkError, match="43 values, and the sites have 25"):
        place(network, stored, sites=SITES[:2])
    with pytest.raises(NetworkError, match="each is sampled once"):
        place(network, stored, sites=SITES[:2] * 2)
    right, other = (place(network, stored, sites=sites).posterior for sites in (SITES, SITES[::-1]))
    assert not right.means["2.weight"].equal(other.means["2.weight"])


@GUIDES
def test_a_site_that_is_no_weight_is_left_out(guide_of, network, tmp_path):
    guide = trained(guide_of, Model(scale=dist.LogNormal(0.0, 0.1)))
    sites = ("scale", *SITES) if guide_of is AutoDiagonalNormal else ()
    order = list(guide.prototype_trace.stochastic_nodes)
    stored = read_store(saved(tmp_path / "store.pt"))
    for foreign, given in ((from_guide(guide), ()), (stored, order if sites else ())):
        with pytest.raises(NetworkError, match="'scale' of the posterior is no param of the network"):
            place(network, foreign, sites=given)
        assert tuple(place(network, foreign, {"scale": None}, given).posterior.means) == PARAMS


def test_a_weight_with_a_bounded_support_is_refused(network):
    model = Model()
    model.net[2].bias = PyroSample(dist.LogNormal(torch.zeros(3), 1.0).to_event(1))
    with pytest.raises(NetworkError, match=r"'net.2.bias' has a bounded support"):
        place(network, from_guide(trained(AutoNormal, model)))


@pytest.mark.parametrize(
    "guide_of", [AutoDelta, AutoMultivariateNormal, partial(AutoLowRankMultivariateNormal, rank=2), Exponential]
)
def test_another_guide_is_refused(guide_of, tmp_path):
    guide = trained(guide_of)
    assert is_guide(guide)
    with pytest.raises(NetworkError, match="must be an AutoNormal or an AutoDiagonalNormal"):
        from_guide(guide)
    with pytest.raises(NetworkError, match="AutoNormal or AutoDiagonalNormal guide of Pyro"):
        read_store(saved(tmp_path / "store.pt"))


def test_a_list_of_guides_is_refused(tmp_path):
    def both(model):
        guides = AutoGuideList(model)
        guides.append(AutoNormal(pyro.poutine.block(model, expose=SITES[:2])))
        guides.append(AutoDelta(pyro.poutine.block(model, expose=SITES[2:])))
        return guides

    guide = trained(both)
    with pytest.raises(NetworkError, match="of the kind AutoGuideList"):
        from_guide(guide)
    with pytest.raises(NetworkError, match="guide of Pyro"):
        read_store(saved(tmp_path / "store.pt"))


def test_a_guide_that_was_never_run_is_refused():
    with pytest.raises(NetworkError, match="has not been run yet"):
        from_guide(AutoNormal(Model()))


class Payload:
    """Leaves a file behind when it is unpickled in the ordinary way."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def store(tmp_path):
    """What a store's file holds, to be changed and written again."""
    trained(AutoNormal)
    return torch.load(saved(tmp_path / "whole.pt"), weights_only=False)


def written(path, content):
    torch.save(content, path)
    return path


def test_a_pickle_that_would_run_something_does_not(store, tmp_path):
    for name, place_ in (("top", store), ("param", store["params"]), ("constraint", store["constraints"])):
        made = tmp_path / f"made by {name}"
        place_["hostile"] = Payload(made)
        path = written(tmp_path / f"{name}.pt", store)
        with pytest.raises(NetworkError, match=r"holds '(posix|nt).mkdir', and so is not read"):
            read_store(path)
        assert not made.exists()
        del place_["hostile"]
    bare = tmp_path / "bare.pt"
    bare.write_bytes(pickle.dumps(Payload(tmp_path / "made")))
    with pytest.raises(NetworkError, match="cannot be read"):
        read_store(bare)
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_cut_off_is_refused(store, tmp_path):
    whole = (tmp_path / "whole.pt").read_bytes()
    cut = tmp_path / "cut.pt"
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(NetworkError, match="cannot be read as the param store"):
            read_store(cut)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda s: s.pop("constraints"),
            "it is a dict without params and constraints; give such a dict to `bitsback.imported` in Python, or save it as "
            "safetensors with mean.NAME and std.NAME",
        ),
        (lambda s: s.update(params=[1]), "without params and constraints"),
        (lambda s: s["params"].clear(), "of another guide: it holds nothing"),
        (lambda s: s["params"].update({"AutoNormal.locs.x": "one"}), "holds 'AutoNormal.locs.x' as str"),
        (lambda s: s["params"].update({3: torch.zeros(1)}), "holds 3 as Tensor"),
        (lambda s: s["params"].update({"a": torch.zeros(1, dtype=torch.int64)}), "holds 'a' as Tensor"),
        (lambda s: s["constraints"].pop("AutoNormal.scales.net.0.bias"), "has no constraint; real"),
        (
            lambda s: s["constraints"].update({"AutoNormal.scales.net.0.bias": constraints.greater_than(0.5)}),
            "GreaterThan",
        ),
        (lambda s: s["constraints"].update({"AutoNormal.scales.net.0.bias": constraints.unit_interval}), "_Interval"),
        (lambda s: s["params"].pop("AutoNormal.locs.net.0.bias"), "'net.0.bias' is without its other half"),
        (lambda s: s["params"].pop("AutoNormal.scales.net.0.bias"), "'net.0.bias' is without its other half"),
    ],
)
def test_a_store_that_is_no_whole_one_is_refused(change, said, store, tmp_path):
    change(store)
    with pytest.raises(NetworkError) as caught:
        read_store(written(tmp_path / "changed.pt", store))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scale_that_vanishes_is_refused(store, network, tmp_path):
    store["params"]["AutoNormal.scales.net.0.bias"].data.fill_(-200.0)
    with pytest.raises(NetworkError, match=r"standard deviations of '0.bias' hold"):
        place(network, read_store(written(tmp_path / "changed.pt", store)))
