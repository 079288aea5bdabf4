"""The mean of several networks, with running statistics of its own."""

import torch
from torch import nn

from bitsback.given.network import trace
from bitsback.posterior.averaging import mean_of


def normed():
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)), (3,), train=True)


def test_running_statistics_are_those_of_the_mean():
    network, inputs = normed(), 2.0 + torch.randn(400, 3)
    each = [{name: value + offset for name, value in network.params.items()} for offset in (-1.0, 0.5, 2.0)]
    found = mean_of(network, each, inputs, 100, 0)
    for name, value in network.params.items():
        torch.testing.assert_close(found[name], value + 0.5)
    first = nn.functional.linear(inputs, found["0.weight"], found["0.bias"])
    # An exponential mean of batches of 100, each of which has a standard error of a tenth of the standard deviation.
    torch.testing.assert_close(found["1.running_mean"], first.mean(0), atol=0.1 * float(first.std()), rtol=0)
    torch.testing.assert_close(found["1.running_var"], first.var(0), atol=0, rtol=0.2)
    assert torch.equal(network.buffers["1.running_mean"], torch.zeros(4))


def test_it_is_the_same_each_time_and_leaves_random_numbers_as_they_were():
    network, inputs = normed(), torch.randn(7, 3)  # fewer than a minibatch
    before = torch.random.get_rng_state()
    one, again = (mean_of(network, [network.params], inputs, 100, 3) for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert torch.equal(before, torch.random.get_rng_state())
    assert one["1.running_var"].isfinite().all()


def test_what_is_never_trained_stays_as_it_is():
    network = trace(nn.Linear(3, 2), (3,), train=True)
    each = [{"weight": torch.full((2, 3), value)} for value in (1.0, 2.0)]
    found = mean_of(network, each, torch.empty(0, 3), 10, 0)
    assert torch.equal(found["bias"], network.params["bias"])
    assert torch.equal(found["weight"], torch.full((2, 3), 1.5))


def test_nothing_is_run_where_there_are_no_statistics():
    network = trace(nn.Linear(3, 2), (3,), train=True)
    found = mean_of(network, [network.params], torch.empty(0, 3), 10, 0)
    assert set(found) == {"weight", "bias"}
