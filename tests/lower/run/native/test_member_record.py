"""Of a plan of members, what could not be laid out or would be read beyond its end is refused."""

from dataclasses import replace

import numpy as np
import pytest

from bitsback.errors import ArtifactError
from bitsback.lower.run.native import record
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.record import plan_from, plan_record
from bitsback.lower.run.native.tiles import Tile
from tests.lower.run.native.plans import check_refused, members, plan
from tests.lower.run.native.test_record import put, step, tensor, whole

LIES_OF_MEMBERS = {
    "members-of-none": (whole(members=0), "0 members; it must have 1"),
    "one-member": (whole(members=1), r"steps\[1\] is of members, of which there are 1"),
    "members-more": (whole(members=4), "'1.values' is int8"),
    "members-many": (whole(members=2**20), "1048576 members"),
    "weights-unknown": (step(1, weights="int4"), "weights 'int4'; known are int8, bfloat16, float32"),
    "weights-of-another-type": (step(1, weights="float32"), "'1.values' is int8"),
    "groups-of-none": (step(1, groups=0), "has 0 groups"),
    "groups-that-divide-nothing": (step(1, groups=3), "has 3 groups"),
    "groups-of-other-channels": (step(1, groups=2), "has 2 groups"),
    "half-rectified": (step(1, rectified=0.5), "true or false"),
    "product-over-members": (step(0, source=2), "reads value 2; there are 1"),
    "sum-of-another-type": (step(2, rectified=1), "true or false"),
    "sum-beyond-the-channels": (step(2, channel=8), "puts 64 channels at 8 of 64"),
    "sum-the-wrong-way-round": (step(2, source=1, second=2, step=[1, 1]), "adds a value with members to one without"),
    "sum-with-a-variance": (step(0, random=True), "reads a value with a variance"),
    "ends-in-what-is-shared": (
        lambda content, tensors: (
            content.update(steps=[content["steps"][0], {**content["steps"][3], "source": 1}]),
            [tensors.pop(name) for name in [*tensors] if name[0] in "14"],
        ),
        r"ends in Map\(height=1, width=1, channels=8\), which is no vector of outputs of 3 member",
    ),
    "four-axes": (tensor("1.values", lambda old: old[0]), "5 axes"),
    "scale-of-one-member": (tensor("1.scale", lambda old: old[:1]), "'1.scale' is float32"),
    "bias-nan": (tensor("4.bias", put(np.nan)), "'4.bias' holds nan"),
    "points-of-other-members": (tensor("points", np.zeros((2, 3), np.float32)), "points"),
    "no-values": (lambda content, tensors: tensors.pop("4.values"), "no tensor '4.values'"),
}


@pytest.mark.parametrize(("change", "said"), LIES_OF_MEMBERS.values(), ids=LIES_OF_MEMBERS)
def test_a_plan_that_lies_about_members_is_refused(change, said):
    check_refused(members(), change, said)


def test_a_value_with_a_variance_is_not_added_to_members():
    content, tensors = plan_record(members())
    noisy, of = plan_record(plan())
    steps = [noisy["steps"][0], {**content["steps"][1], "source": 0, "groups": 1}, *content["steps"][2:]]
    first = {name: each for name, each in of.items() if name.startswith("0.")}
    with pytest.raises(ArtifactError, match="has a variance, and a ReLU in it or members"):
        plan_from({**content, "steps": steps}, {**tensors, **first})


TILES_OF_MEMBERS = [
    Tile(1, 1),
    Tile(1, 1, 8, 4),
    Tile(2, 1, 3, widened=True),
    Tile(1, 1, 4, dense=True),
    Tile(2, 2, 8, dense=True, widened=True),
]


@pytest.mark.parametrize("tile", TILES_OF_MEMBERS)
def test_no_tile_lays_out_more_numbers_than_are_counted_on(tile):
    of = members()
    fits = {1: tile, 4: replace(tile, vectors=1)}
    assert arrange(of, 1, fits).constants.size <= record._constants(of)
