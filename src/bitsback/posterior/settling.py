"""Running statistics that lag behind weights which moved, brought to rest where these are."""

from collections.abc import Callable

import torch
from torch import Tensor

_MINIBATCHES = 100
"""PyTorch's running statistics forget nine tenths of what was in 22."""


def settle(count: int, batch: int, generator: torch.Generator, see: Callable[[Tensor], object]) -> None:
    """Show minibatches to what has running statistics, all of one size.

    Args:
        count: how many inputs there are.
        batch: how many go together.
        generator: decides which.
        see: is given the numbers of a minibatch's inputs.
    """
    order = torch.randperm(count, generator=generator)
    for chosen in order.repeat(-(-_MINIBATCHES * batch // count)).split(batch)[:_MINIBATCHES]:
        if len(chosen) == batch:
            see(chosen)
