"""The members of an ensemble as they are stored: whole numbers of few bits, times a factor for each output, or bfloat16.

What is lost is lost in the program itself: it is evaluated, exported and packed with what is stored. Biases and other random
vectors have 8 bits at least; what is not random but differs between members (norms, their statistics) is left as it is. A
weight that is zero in a member stays zero, so that what is pruned stays pruned.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from bitsback.given.params import Params
from bitsback.given.stacked import Stack

Precision = Literal["float32", "bfloat16", "int8", "int6", "int4", "int3", "int2"]
PRECISIONS = get_args(Precision)
_SHRINKS = tuple(1 - 0.025 * step for step in range(29))  # down to 0.3 of what the largest weight would need


@dataclass(frozen=True)
class StoredStack:
    """A tensor of each member.

    Attributes:
        numbers: `[S, O, ...]`, int8.
        scale: `[O]`, what those of each output are multiplied by in every member.
    """

    numbers: Tensor
    scale: Tensor

    @property
    def stack(self) -> Stack:
        """What they stand for."""
        return Stack(self.numbers.to(self.scale.dtype) * self.scale.reshape(1, -1, *[1] * (self.numbers.ndim - 2)))


def stored(drawn: Params, random: Collection[str], how: Precision) -> dict[str, Stack | StoredStack]:
    """Each stacked tensor `[S, *shape]` as it is stored.

    Args:
        drawn: by name.
        random: the names of those that are rounded.
        how: to what.
    """
    found: dict[str, Stack | StoredStack] = {name: Stack(each) for name, each in drawn.items()}
    if how == "bfloat16":
        found |= {name: Stack(drawn[name].bfloat16().to(drawn[name].dtype)) for name in random}
    elif how != "float32":
        bits = int(how.removeprefix("int"))
        for name in random:
            each = drawn[name]
            found[name] = rounded(each, 2 ** ((bits if each.ndim > 2 else 8) - 1) - 1) if each.ndim > 1 else Stack(each)
    return found


def unstored(value: Tensor | Stack | StoredStack) -> Any:
    """What a network computes with; what all members share is as it is."""
    return value.stack if isinstance(value, StoredStack) else value


def rounded(stack: Tensor, most: int) -> StoredStack:
    """Whole numbers from −most to most with the factors that leave the least squared error, of some that are tried.

    Args:
        stack: `[S, O, ...]`.
        most: at least 1.
    """
    flat = stack.detach().transpose(0, 1).flatten(1)
    needed = flat.abs().amax(1, keepdim=True) / most
    best, scale = torch.full_like(needed, torch.inf), needed
    for shrink in _SHRINKS:
        tried = shrink * needed
        error = (_nearest(flat, tried, most) * tried - flat).square().sum(1, keepdim=True)
        best, scale = torch.minimum(best, error), torch.where(error < best, tried, scale)
    axes = [1] * (stack.ndim - 2)
    return StoredStack(_nearest(stack.detach(), scale.reshape(1, -1, *axes), most).to(torch.int8), scale.flatten())


def _nearest(values: Tensor, scale: Tensor, most: int) -> Tensor:
    return torch.round(values / scale.clamp_min(torch.finfo(scale.dtype).tiny)).clamp(-most, most)
