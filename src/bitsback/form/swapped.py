"""An ensemble whose graph is that of one member: the members' tensors are swapped in, one member after the other.

A graph of S stacked members holds all of them in memory at once. This one holds none: whoever runs it gives it a member's
tensors as inputs, which may lie in a file that is mapped into memory, and combines what the members answer. So an ensemble may
be larger than memory, and be asked for its first members alone: these are spread over all, as over several chains.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bitsback.form.members import StoredStack, unstored
from bitsback.form.one_by_one import asked, members_of
from bitsback.form.program import Predict, Program, Units, buffer_names, predicting
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.given.stacked import Stack

PREFIX = "member/"
"""How the names of inputs begin that take a member's tensors."""
NO_LIBRARY = 'an ensemble with swapped members has no native library; one with form.layout = "stacked" has'


def swapped(network: Network, drawn: Mapping[str, Stack | StoredStack], fixed: Params, units: Units) -> Program:
    """The program of one member, and what the members have of its further inputs.

    Args:
        network: Traced for evaluation.
        drawn: What differs between members, by name.
        fixed: What all share, by name.
        units: What ties the network to the user's units.
    """
    values = {name: unstored(each).tensor for name, each in drawn.items()}
    order = evenly(len(next(iter(values.values()))))
    members = asked(network, members_of(fixed, {name: each[order] for name, each in values.items()}))
    module = predicting(members, units, len(network.input_shape))
    one = _OneMember(module, network, drawn, fixed)
    stacks = {name: _as_stored(drawn[name]).detach()[order] for name in one.drawn}
    given = {PREFIX + name: each.contiguous() for name, each in stacks.items()}
    return Program("ensemble", units, len(order), network.input_shape, module, one.eval(), swapped=given)


def evenly(count: int) -> list[int]:
    """The numbers from 0 to below `count` by their bits turned round: every beginning of that order is spread evenly."""
    bits = max((count - 1).bit_length(), 1)
    return sorted(range(count), key=lambda index: int(f"{index:0{bits}b}"[::-1], 2))


def _as_stored(stack: Stack | StoredStack) -> Tensor:
    return stack.numbers if isinstance(stack, StoredStack) else stack.tensor


class _OneMember(nn.Module):
    """The network with a member's tensors as inputs; it gives the member's answers, and the noise of a regression."""

    def __init__(
        self, module: Predict, network: Network, drawn: Mapping[str, Stack | StoredStack], fixed: Params
    ) -> None:
        super().__init__()
        self.predict, self.network = module, network
        self.drawn = [name for name in dict.fromkeys(network.names) if name in drawn]
        scales = {name: each.scale for name, each in drawn.items() if isinstance(each, StoredStack)}
        self.scales = buffer_names(scales, "scale__")
        self.shared = buffer_names((name for name in network.names if name not in drawn), "shared__")
        for name, attribute in self.scales.items():
            self.register_buffer(attribute, scales[name])
        for name, attribute in self.shared.items():
            self.register_buffer(attribute, fixed[name].detach().clone())

    def forward(self, inputs: Tensor, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Raw inputs `[B, *shape]` and a member's tensors to its answers `[B, C]`, and the noise variance `[D]`, if any."""
        values = {name: getattr(self, attribute) for name, attribute in self.shared.items()}
        for name, tensor in zip(self.drawn, tensors, strict=True):
            if name in self.scales:
                scale = getattr(self, self.scales[name])
                values[name] = tensor.to(scale.dtype) * scale.reshape(-1, *[1] * (tensor.ndim - 1))
            else:
                values[name] = tensor
        answers = self.predict.read(self.network(values, self.predict.standardized(inputs)))
        if self.predict.task == "classification":
            return (answers,)
        return answers, torch.zeros_like(self.predict.noise_var) + self.predict.noise_var
