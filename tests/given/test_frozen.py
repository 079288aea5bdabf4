"""What a network holds is computed once, and changes nothing."""

import pytest
import torch
from torch import nn

from bitsback.given import frozen
from bitsback.given.frozen import beyond
from bitsback.given.network import hold, trace
from bitsback.given.reference import REFERENCE
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.point import Point


def held(module, shape, patterns):
    torch.manual_seed(0)
    network = trace(module, shape, train=True)
    return hold(network, patterns, {**network.params, **network.buffers})


def answers(network, inputs):
    torch.manual_seed(1)
    tensors = {name: each.clone() for name, each in {**network.params, **network.buffers}.items()}
    return network(tensors, inputs)


CASES = {
    "lenet-5": (REFERENCE["lenet-5"]((1, 28, 28), 10), (1, 28, 28), ["0.*"], (6, 14, 14)),
    "mlp": (REFERENCE["mlp"]((1, 4, 4), 3, hidden=(8, 5)), (1, 4, 4), ["1.*"], (8,)),
    "two stages": (REFERENCE["resnet-20"]((3, 8, 8), 4), (3, 8, 8), ["conv1.*", "bn1.*", "layer[12].*"], (32, 4, 4)),
    "a batch norm of its own": (REFERENCE["resnet-20"]((3, 8, 8), 4), (3, 8, 8), ["conv1.*"], (16, 8, 8)),
}


@pytest.mark.parametrize(("module", "shape", "patterns", "rest"), CASES.values(), ids=CASES)
def test_the_rest_answers_what_the_whole_answers(module, shape, patterns, rest):
    network, inputs = held(module, shape, patterns), torch.randn(5, *shape)
    behind, kept = beyond(network, inputs)
    assert (behind.input_shape, tuple(kept.shape)) == (rest, (5, *rest))
    torch.testing.assert_close(answers(behind, kept[:4]), answers(network, inputs[:4]), rtol=1e-4, atol=1e-5)
    assert (behind.names, behind.held, behind.bayesian) == (network.names, network.held, network.bayesian)


def test_many_inputs_are_computed_in_pieces(monkeypatch):
    network, inputs = held(*CASES["lenet-5"][:3]), torch.randn(7, 1, 28, 28)
    once = beyond(network, inputs)[1]
    monkeypatch.setattr(frozen, "_AT_ONCE", 3)
    torch.testing.assert_close(beyond(network, inputs)[1], once)


class Random(nn.Module):
    """Dropout behind a layer that is held."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, inputs):
        return self.second(nn.functional.dropout(torch.relu(self.first(inputs)), training=self.training))


def test_what_is_random_stays_random():
    network, inputs = held(Random(), (6,), ["first.*"]), torch.randn(4, 6)
    behind, kept = beyond(network, inputs)
    assert (kept >= 0).all()
    torch.testing.assert_close(answers(behind, kept), answers(network, inputs))
    tensors = {**behind.params, **behind.buffers}
    assert not torch.equal(behind(tensors, kept), behind(tensors, kept))


class Both(nn.Module):
    """Two layers that read the input."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.third, self.last = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, inputs):
        return self.last(torch.relu(self.third(self.one(inputs))) + self.other(inputs))


@pytest.mark.parametrize("patterns", [["one.*", "other.*"], ["third.*"], []])
def test_it_is_left_as_it_is_where_nothing_can_be_computed_once(patterns):
    network, inputs = held(Both(), (4,), patterns), torch.randn(3, 4)
    assert beyond(network, inputs) == (network, inputs)


class Regrouped(nn.Module):
    """Rows of an input as inputs of their own, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.last = nn.Linear(4, 3), nn.Linear(12, 2)

    def forward(self, inputs):
        return self.last(self.each(inputs.reshape(-1, 4)).reshape(inputs.shape[0], -1))


class Turned(nn.Module):
    """The sequence's axis first."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.last = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, inputs):
        return self.last(torch.relu(self.each(inputs.reshape(-1, 4, 4).transpose(0, 1))).transpose(0, 1).mean(1))


class ByBatch(nn.Module):
    """A norm without statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(16, affine=False, track_running_stats=False)
        self.each, self.last = nn.Linear(16, 3), nn.Linear(3, 2)

    def forward(self, inputs):
        return self.last(torch.relu(self.each(self.norm(inputs))))


class Centred(nn.Module):
    """What an input gives depends on those beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.last = nn.Linear(16, 3), nn.Linear(3, 2)

    def forward(self, inputs):
        x = self.each(inputs)
        return self.last(x - x.mean(0, keepdim=True))


class Overwritten(nn.Module):
    """A value that is read before it is overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.other, self.last = nn.Linear(16, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, inputs):
        x = self.each(inputs)
        y = self.other(x)
        return self.last(y + x.relu_())


@pytest.mark.parametrize("held_", [True, False], ids=["held", "not held"])
@pytest.mark.parametrize("make", [Regrouped, Turned, ByBatch, Centred, Overwritten])
def test_what_is_not_each_inputs_own_is_computed_in_every_step(make, held_):
    network, inputs = held(make(), (16,), ["each.*"] if held_ else []), torch.randn(6, 16)
    behind, kept = beyond(network, inputs)
    assert len(kept) == 6
    torch.testing.assert_close(answers(behind, kept[:3]), answers(network, inputs[:3]))
    if not held_:
        assert behind is network


def test_it_is_left_as_it_is_where_it_would_take_too_much(monkeypatch):
    network, inputs = held(*CASES["lenet-5"][:3]), torch.randn(2, 1, 28, 28)
    monkeypatch.setattr(frozen, "_MOST", 2 * 6 * 14 * 14 * 4 - 1)
    assert beyond(network, inputs) == (network, inputs)


def test_a_fit_gives_what_it_gave():
    network = held(*CASES["two stages"][:3])
    inputs, targets = torch.randn(24, 3, 8, 8), torch.arange(24) % 4
    settings = FitSettings(epochs=2, batch=8)
    fitted = [
        fit(each, Point(), Likelihood("classification", 4), Examples(given, targets), settings).posterior.centre()
        for each, given in ((network, inputs), beyond(network, inputs))
    ]
    assert fitted[0].keys() == fitted[1].keys()
    for name, tensor in fitted[0].items():
        torch.testing.assert_close(fitted[1][name], tensor, rtol=1e-2, atol=1e-4)  # Adam's first steps follow signs
