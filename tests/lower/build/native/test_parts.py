"""Members that are computed some at a time, all layers of these before the next: against PyTorch in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from bitsback.errors import ArtifactError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import resnet
from bitsback.lower.build.native.lowering import lower
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.parts import customary, misfit, part
from bitsback.lower.run.native.record import library_from, library_record, plan_from, plan_record
from bitsback.run.tune import _shapes
from tests.emulation import needs_emulation
from tests.lower.build.native.test_library import inputs_of
from tests.lower.build.native.test_members import check, program
from tests.networks import posterior_over


def shared(make, shape, common, members):
    """An ensemble some of whose layers are the same in all members."""
    torch.manual_seed(0)
    network = trace(make(), shape, deterministic=common)
    units = Units("classification", Normalization((0.3,) * shape[0], (0.7,) * shape[0]), None, torch.empty(0))
    return EnsembleForm(members).program(network, posterior_over(network, std=0.1), units)


@pytest.mark.parametrize(("members", "together"), [(32, 8), (32, 16), (30, 16), (30, 8), (17, 8), (32, 32)])
@pytest.mark.parametrize("name", ["grouped", "residual"])
def test_no_number_at_a_time_changes_what_is_computed(name, members, together):
    check(program(name, members), [Entry(3, together=together), Entry(1, together=together)])


def test_a_regression_over_maps():
    check(program("grouped", 30, task="regression"), [Entry(2, together=8)])


@pytest.mark.parametrize("together", [8, 16])
def test_what_all_have_in_common_is_added_in_every_turn(together):
    of = shared(lambda: resnet((3, 8, 8), 10, depth=8), (3, 8, 8), ["conv1.*", "bn1.*", "layer1.*"], 32)
    check(of, [Entry(2, together=together)], atol=1e-5)  # as tests of sums have it


class Reread(nn.Module):
    """What all have in common is as large as what two vectors of members have, and is read for the last time in between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(4, 128), nn.Linear(128, 8), nn.Linear(128, 8)
        self.fourth, self.last = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs):
        x = self.first(inputs)
        y = self.second(x) + self.third(x)
        return self.last(torch.relu(self.fourth(torch.relu(y))))


def test_what_all_have_in_common_is_there_in_every_turn():
    of = shared(Reread, (4,), ["first.*"], 32)
    plan = plan_of(of)
    assert {place.stride for place in arrange(plan, 1, together=16).places} >= {128, 48}
    check(of, [Entry(2, together=16)])


class Late(nn.Module):
    """What all have in common is computed after what each has of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.common, self.last = nn.Conv2d(1, 8, 3), nn.Conv2d(1, 8, 3), nn.Linear(8 * 9, 3)

    def forward(self, inputs):
        x = torch.relu(self.own(inputs))
        return self.last((x + self.common(inputs)).flatten(1))


def test_members_take_no_turns_where_what_they_have_in_common_comes_later():
    of = shared(Late, (1, 5, 5), ["common.*"], 32)
    plan = plan_of(of)
    assert customary(plan) == plan.width == 32
    assert "in common is computed after" in misfit(plan, 16)
    check(of, [Entry(1)])


def test_turns_are_for_layers_over_maps():
    assert customary(plan_of(program("grouped", 32))) == 16
    assert customary(plan_of(program("grouped", 24))) == 8
    assert customary(plan_of(program("grouped", 8))) == 8
    assert customary(plan_of(program("vectors", 32))) == 32


def test_a_part_is_the_plan_of_the_first_members():
    plan, first = (plan_of(program("residual", count)) for count in (32, 8))
    some = part(plan, 8)
    assert (some.maps, some.members, some.width) == (first.maps, 8, 8)
    np.testing.assert_array_equal(some.points, first.points)
    kept = [[step.weights.kept for step in each.steps if isinstance(step, MemberProduct)] for each in (plan, some)]
    for one, other in zip(*kept, strict=True):
        np.testing.assert_array_equal(one, other)  # and not what the first members keep alone


def test_a_plan_is_not_laid_out_for_a_part_that_does_not_divide_it():
    with pytest.raises(ArtifactError, match="cannot compute 12 members at a time"):
        arrange(plan_of(program("grouped", 32)), 1, together=12)


def test_a_sum_that_begins_between_two_channels_is_refused():
    plan = plan_of(shared(lambda: resnet((3, 8, 8), 10, depth=8), (3, 8, 8), ["conv1.*", "bn1.*", "layer1.*"], 16))
    content, tensors = plan_record(plan)
    padded = next(each for each in content["steps"] if each.get("channel"))
    padded["channel"] -= 8
    with pytest.raises(ArtifactError, match="it must be a multiple of 16"):
        plan_from(content, tensors)


def test_a_layer_that_is_computed_in_two_turns_counts_twice():
    plan = plan_of(program("grouped", 32))
    counts = _shapes(plan, [Entry(1)])
    assert {shape.members.count for shape in counts} == {16}
    assert sum(counts.values()) == 2 * sum(isinstance(step, MemberProduct) for step in plan.steps)


def test_a_library_says_how_many_it_computes_at_a_time():
    plan = plan_of(program("grouped", 32))
    for asked, said in ((None, 16), (8, 8), (32, 32)):
        record = library_record(Library("x86-64", b"", (Entry(1, together=asked),)), plan)
        assert record["entries"][0]["together"] == said
        assert library_from(record, np.zeros(0, np.uint8), plan).entries[0].together == said


@pytest.mark.parametrize("together", [0, -8, 4, 12, 24, 64, 2**40])
def test_a_library_that_lies_about_it_is_refused(together):
    plan = plan_of(program("grouped", 32))
    record = library_record(Library("x86-64", b"", (Entry(1),)), plan)
    record["entries"][0]["together"] = together
    with pytest.raises(ArtifactError, match=f"cannot compute {together} members at a time"):
        library_from(record, np.zeros(0, np.uint8), plan)


@needs_emulation
def test_aarch64_code_takes_the_same_turns():
    of = program("grouped", 32)
    lowered = lower(of, "aarch64", [Entry(2)], inputs_of(of.input_shape, 3))
    assert lowered.compared.device == "emulated-aarch64"
    assert lowered.compared.difference < 1e-5
