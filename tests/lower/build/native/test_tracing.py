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
        self.first, self.second, self.last = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 16, 1, stride=2), nn.Linear(192, 3)
        self.shortcut, self.flat = shortcut, flat or nn.Flatten()

    def forward(self, inputs):
        first = torch.relu(self.first(inputs))
        return self.last(self.flat(self.second(first) + self.shortcut(first)).flatten(1))


SHORTCUTS = {
    "slice, then pad": lambda x: nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 4)),
    "pad, then slice": lambda x: nn.functional.pad(x, (0, 0, 0, 0, 8, 4))[:, :, ::2, ::2],
}
REFUSED = {
    "ones": (lambda x: nn.functional.pad(x, (0, 0, 0, 0, 8, 4), value=1.0)[:, :, ::2, ::2], None),
    "no whole vector": (lambda x: nn.functional.pad(x, (0, 0, 0, 0, 6, 6))[:, :, ::2, ::2], None),
    "rows": (lambda x: nn.functional.pad(x, (0, 0, 0, 0, 8, 4))[:, :, ::2, ::2], lambda x: x.reshape(-1, 16, 4, 3)),
}


@pytest.mark.parametrize("name", SHORTCUTS)
def test_channels_are_added_before_or_after_every_other_position_is_taken(name):
    torch.manual_seed(0)
    check(program(Reshaped(SHORTCUTS[name]), (2, 8, 6), FORMS["propagated"]), [Entry(2)], 2)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_view_cannot_say_is_refused(name):
    with pytest.raises(
        ExportError,
        match=r"the operator aten\.(pad\.default|add\.Tensor|reshape\.default|view\.default) .* has no native kernel: ",
    ):
        plan_of(program(Reshaped(*REFUSED[name]), (2, 8, 6), FORMS["propagated"]))


class Summed(nn.Module):
    """What a rectified convolution of the input, and a layer behind it, are summed to."""

    def __init__(self, channels, both):
        super().__init__()
        self.first, self.whole, self.both = nn.Conv2d(channels, 8, 1), nn.Linear(48, 48), both
        self.last = nn.LazyLinear(3)

    def forward(self, inputs):
        return self.last(self.both(self, inputs, torch.relu(self.first(inputs))).flatten(1))


WRONG_SUMS = {
    "broadcast": (2, lambda net, x, y: y + y.mean((2, 3), keepdim=True), "both must be of one shape"),
    "flat": (2, lambda net, x, y: y.flatten(1) + net.whole(y.flatten(1)), "both must be of one shape"),
    "multiplied": (8, lambda net, x, y: torch.add(x, y, alpha=2), "neither can be multiplied"),
    "input": (2, lambda net, x, y: x + x, "it reads the input, of 2 channels"),
    "pooled input": (2, lambda net, x, y: nn.functional.max_pool2d(x, 2), "it reads the input, of 2 channels"),
}


@pytest.mark.parametrize("name", WRONG_SUMS)
def test_what_would_read_beyond_a_value_is_refused(name):
    channels, both, why = WRONG_SUMS[name]
    module = Summed(channels, both)
    module(torch.zeros(1, channels, 3, 2))  # which says how many numbers the last layer reads
    with pytest.raises(ExportError, match=f"has no native kernel: .*{why}"):
        plan_of(program(module, (channels, 3, 2), FORMS["propagated"]))


@pytest.mark.parametrize("form", FORMS)
def test_an_input_that_fills_vectors_can_be_summed(form):
    module = Summed(8, lambda net, x, y: x + y)
    module(torch.zeros(1, 8, 3, 2))
    check(program(module, (8, 3, 2), FORMS[form]), [Entry(2)], 2)
