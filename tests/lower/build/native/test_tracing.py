"""What a view of a value can say, and what is refused."""

import pytest
import torch
from torch import nn

from bitsback.errors import ExportError
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry
from tests.lower.build.native.test_library import FORMS, check, program


class Reshaped(nn.Module):
    """What is done to the shortcut, or to what the linear layer reads."""

    def __init__(self, shortcut, flat=None):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 8, 1, stride=2), nn.Linear(96, 3)
        self.shortcut, self.flat = shortcut, flat or nn.Flatten()

    def forward(self, inputs):
        first = torch.relu(self.first(inputs))
        return self.last(self.flat(self.second(first) + self.shortcut(first)).flatten(1))


SHORTCUTS = {
    "slice, then pad": lambda x: nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)),
    "pad, then slice": lambda x: nn.functional.pad(x, (0, 0, 0, 0, 2, 2))[:, :, ::2, ::2],
}
REFUSED = {
    "ones": (lambda x: nn.functional.pad(x, (0, 0, 0, 0, 2, 2), value=1.0)[:, :, ::2, ::2], None),
    "rows": (lambda x: nn.functional.pad(x, (0, 0, 0, 0, 2, 2))[:, :, ::2, ::2], lambda x: x.reshape(-1, 8, 4, 3)),
}


@pytest.mark.parametrize("name", SHORTCUTS)
def test_channels_are_added_before_or_after_every_other_position_is_taken(name):
    torch.manual_seed(0)
    check(program(Reshaped(SHORTCUTS[name]), (2, 8, 6), FORMS["propagated"]), [Entry(2)], 2)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_view_cannot_say_is_refused(name):
    with pytest.raises(ExportError, match=r"the operator aten\.(pad|reshape|view)\.default .* has no native kernel: "):
        plan_of(program(Reshaped(*REFUSED[name]), (2, 8, 6), FORMS["propagated"]))
