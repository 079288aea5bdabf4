import pytest
import torch
from torch import nn

from bitsback.errors import NetworkError
from bitsback.given.resolve import resolve

SOURCE = """
from torch import nn

class Own(nn.Sequential):
    def __init__(self, width=5):
        super().__init__(nn.Flatten(), nn.Linear(4, width), nn.Linear(width, 3))

class Sized(nn.Sequential):
    def __init__(self, input_shape, outputs, *, width=5):
        super().__init__(nn.Flatten(), nn.Linear(input_shape[0], width), nn.Linear(width, outputs))

class Named(nn.Linear):
    def __init__(self, outputs, bias=True):
        super().__init__(4, outputs, bias=bias)

def factory(shape, classes, bias=True):
    return nn.Linear(shape[0], classes, bias=bias)

def bare(width=5):
    return nn.Linear(4, 3)

def broken():
    raise ValueError("no\\nluck")

instance = Own()
whole = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
number = 7
text = str
word = lambda: "net"
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(SOURCE)
    return lambda name, **options: resolve(f"{tmp_path / 'own.py'}:{name}", (4,), 3, options)


@pytest.mark.parametrize("name", ["Own", "Sized", "Named", "factory", "bare", "instance", "whole"])
def test_classes_factories_and_instances_are_networks(own, name):
    assert own(name)(torch.zeros(2, 4)).shape == (2, 3)


def test_options_reach_the_factory(own):
    assert own("Own", width=7)[1].out_features == 7
    assert own("Sized", width=7)[1].out_features == 7
    assert own("factory", bias=False).bias is None


def test_reference_networks_have_names():
    assert resolve("mlp", (1, 8, 8), 10, {"hidden": [6]})(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("Own", {"depth": 3}, "cannot be called with the options"),
        ("Sized", {"depth": 3}, "cannot be called with the options"),
        ("instance", {"width": 3}, "takes no options such as 'width'"),
        ("broken", {}, "ValueError: no luck"),
        ("number", {}, "is int, but must be a network"),
        ("text", {}, "class 'str'"),
        ("word", {}, "gave str"),
        (
            "missing",
            {},
            "has no 'missing'; it defines Own, Sized, Named, factory, bare, broken, instance, whole, word$",
        ),
    ],
)
def test_what_is_no_network_is_refused_in_one_sentence(own, name, options, match):
    with pytest.raises(NetworkError, match=match) as failure:
        own(name, **options)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(("name", "match"), [("lenet-6", "there are mlp, lenet"), ("no.such.module:Net", "imported")])
def test_an_unknown_name_is_refused(name, match):
    with pytest.raises(NetworkError, match=match):
        resolve(name, (1, 28, 28), 10)


def test_an_unknown_option_of_a_reference_network_is_refused():
    with pytest.raises(NetworkError, match="depth"):
        resolve("mlp", (4,), 3, {"depth": 2})


def test_published_weights_are_loaded_or_refused(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(nn.Linear(4, 3).state_dict(), path)
    with pytest.raises(NetworkError, match="do not fit"):
        resolve("mlp", (4,), 3, {"hidden": [5]}, weights=path)
    first, second = (resolve("mlp", (4,), 3, {"hidden": [5]}) for _ in range(2))
    torch.save(first.state_dict(), path)
    loaded = resolve("mlp", (4,), 3, {"hidden": [5]}, weights=path)
    assert torch.equal(loaded(torch.ones(1, 4)), first(torch.ones(1, 4)))
    assert not torch.equal(loaded(torch.ones(1, 4)), second(torch.ones(1, 4)))
