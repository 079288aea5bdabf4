"""What all members have in common beside what each has of its own, as native code."""

import pytest
import torch
from torch import nn

from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import resnet
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry
from bitsback.lower.run.native.plan import Sum
from bitsback.lower.run.native.record import plan_from, plan_record
from tests.lower.build.native.test_members import check
from tests.networks import posterior_over


class Added(nn.Module):
    """Sums of what has members and of what all have in common, in both orders, with a ReLU and without."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(8, 5), nn.Linear(5, 5), nn.Linear(5, 5)
        self.last = nn.Linear(5, 2)

    def forward(self, inputs):
        x = self.first(inputs)
        y = x + self.second(x)
        return self.last(torch.relu(self.third(y) + y) + x)


@pytest.mark.parametrize("members", [4, 16])
@pytest.mark.parametrize(
    ("make", "shape", "common"),
    [
        (Added, (8,), ["first.*"]),
        (lambda: resnet((3, 8, 8), 10, depth=8), (3, 8, 8), ["conv1.*", "layer1.*"]),
    ],
)
def test_what_all_have_in_common_is_added_to_every_member(make, shape, common, members):
    torch.manual_seed(0)
    network = trace(make(), shape, deterministic=common)
    units = Units("classification", Normalization((0.3,) * shape[0], (0.7,) * shape[0]), None, torch.empty(0))
    of = EnsembleForm(members).program(network, posterior_over(network, std=0.1), units)
    plan = plan_of(of)
    sums = [step for step in plan.steps if isinstance(step, Sum)]
    assert {each.width for each in sums} >= {1, plan.width}
    assert any(each.rectified for each in sums)
    check(of, [Entry(3), Entry(1)], atol=1e-5)  # 8 layers whose logits are near 30, and entropies of their softmax
    again = plan_from(*plan_record(plan))
    assert again.steps[-1].target == plan.steps[-1].target
    assert [step for step in again.steps if isinstance(step, Sum)] == sums
