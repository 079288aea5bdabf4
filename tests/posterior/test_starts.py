"""Chains start at weights drawn anew."""

import pytest
import torch
from torch import nn

from bitsback.errors import NetworkError
from bitsback.posterior.starts import drawn_anew


def test_the_first_is_the_module_and_the_others_differ_in_every_layer_that_draws():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.MultiheadAttention(4, 2))
    before = {name: value.clone() for name, value in module.named_parameters()}
    first, second, third = drawn_anew(module, 3, seed=0)
    assert all(torch.equal(before[name], value) for name, value in module.named_parameters())
    assert first.keys() == second.keys() == before.keys()
    assert all(torch.equal(before[name], value) for name, value in first.items())
    for name in ("0.weight", "0.bias", "2.in_proj_weight"):
        assert not torch.equal(first[name], second[name])
        assert not torch.equal(second[name], third[name])
    again = drawn_anew(module, 3, seed=0)[1]
    assert all(torch.equal(again[name], value) for name, value in second.items())
    assert not torch.equal(drawn_anew(module, 3, seed=1)[1]["0.weight"], second["0.weight"])


def test_random_numbers_of_the_caller_are_left_alone():
    module = nn.Linear(2, 2)
    before = torch.get_rng_state()
    drawn_anew(module, 3, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_layer_that_cannot_be_drawn_is_named():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))

    with pytest.raises(NetworkError, match=r"'1', a Scale, has parameters and no reset_parameters\(\)"):
        drawn_anew(nn.Sequential(nn.Linear(3, 3), Scale()), 2, seed=0)
    with pytest.raises(NetworkError, match="the network itself, a Scale"):
        drawn_anew(Scale(), 2, seed=0)
