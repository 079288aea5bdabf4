import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bitsback.errors import NetworkError
from bitsback.given.network import trace
from bitsback.posterior.foreign import Foreign, matched, place

PARAMS = ("0.weight", "0.bias", "2.weight", "2.bias")
PREFIXES = st.lists(st.sampled_from(["net", "model", "0", "layers"]), max_size=3).map(
    lambda parts: "".join(f"{part}." for part in parts)
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (3,))


def normal(network, prefix="", std=0.1, **more):
    means = {prefix + name: torch.randn_like(value) for name, value in network.params.items()}
    return Foreign("one", means, {name: torch.full_like(value, std) for name, value in means.items()}, **more)


@given(PREFIXES)
def test_one_prefix_on_either_side_is_passed_over(prefix):
    longer = [prefix + name for name in PARAMS]
    assert matched(longer, PARAMS, {}) == dict(zip(longer, PARAMS, strict=True))
    assert matched(PARAMS, longer, {}) == dict(zip(PARAMS, longer, strict=True))


def test_a_name_as_it_is_comes_before_one_less_a_prefix():
    assert matched(["0.weight"], ["weight", "0.weight"], {}) == {"0.weight": "0.weight"}


def test_what_differs_by_more_than_one_prefix_is_named_or_left_out():
    found = ["net.0.weight", "net.0.bias", "last.weight", "sigma"]
    with pytest.raises(
        NetworkError, match=r"'last.weight' of the posterior is no param of the network, which has '0.weight'"
    ):
        matched(found, PARAMS, {})
    names = {"last.weight": "2.weight", "sigma": None}
    assert matched(found, PARAMS, names) == {
        "net.0.weight": "0.weight",
        "net.0.bias": "0.bias",
        "last.weight": "2.weight",
    }
    with pytest.raises(NetworkError, match=r"'last.weight' of the posterior"):
        matched(found, PARAMS, {"sigma": ""})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"nothing": "0.bias"}, "the posterior has no 'nothing' to be named"),
        ({"0.bias": "1.bias"}, "'0.bias' is to be '1.bias', which the network does not have"),
        ({"0.bias": "2.bias"}, "'0.bias' and '2.bias' of the posterior are both '2.bias'"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, said):
    with pytest.raises(NetworkError, match=said):
        matched(PARAMS, PARAMS, names)


def test_what_nothing_is_said_of_keeps_the_network_s_own_value(network):
    foreign = normal(network)
    for name in ("0.weight", "0.bias"):
        del foreign.means[name], foreign.stds[name]
    foreign.points["0.bias"] = torch.ones(4)
    placed = place(network, foreign)
    assert placed.own == ("0.weight",)
    assert placed.posterior.fixed["0.weight"].equal(network.params["0.weight"])
    assert placed.posterior.fixed["0.bias"].equal(torch.ones(4))
    assert set(placed.posterior.means) == {"2.weight", "2.bias"}


def test_what_must_be_a_point_here_is_one_at_its_mean():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network = trace(module, (3,), deterministic=["0.*"])
    foreign = normal(network)
    placed = place(network, foreign)
    assert set(placed.narrowed) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert set(placed.own) == {"1.running_mean", "1.running_var"}
    assert placed.posterior.fixed["1.weight"].equal(foreign.means["1.weight"])


def test_values_take_the_network_s_type(network):
    foreign = normal(network)
    foreign.means.update({name: value.double() for name, value in foreign.means.items()})
    assert {each.dtype for each in place(network, foreign).posterior.means.values()} == {torch.float32}


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf"), 1e-30])
def test_standard_deviations_are_finite_and_above_0(network, value):
    foreign = normal(network)
    foreign.stds["2.weight"][0, 1] = value
    with pytest.raises(NetworkError, match=r"the standard deviations of '2.weight' hold"):
        place(network, foreign)


@pytest.mark.parametrize("value", [float("nan"), -float("inf")])
def test_means_and_points_are_finite(network, value):
    foreign = normal(network)
    foreign.means["2.weight"][0, 1] = value
    with pytest.raises(NetworkError, match=r"the posterior's values for '2.weight' hold"):
        place(network, foreign)


def test_shapes_fit(network):
    foreign = normal(network)
    foreign.stds["0.bias"] = torch.ones(1)
    with pytest.raises(NetworkError, match=r"means of '0.bias' have shape \(4,\), and its standard deviations \(1,\)"):
        place(network, foreign)
    foreign.means["0.bias"] = torch.ones(1)
    with pytest.raises(
        NetworkError, match=r"'0.bias' of the posterior has shape \(1,\), and '0.bias' of the network \(4,\)"
    ):
        place(network, foreign)


def test_a_posterior_of_points_alone_is_none(network):
    with pytest.raises(NetworkError, match="a distribution over no weight"):
        place(network, Foreign("one", points=dict(network.params)))


def test_an_order_is_for_one_vector_alone(network):
    with pytest.raises(NetworkError, match="sites are given, and the posterior is one"):
        place(network, normal(network), sites=PARAMS)
