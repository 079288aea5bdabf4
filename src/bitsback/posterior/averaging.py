"""The mean over weights of several networks that began at the same ones (model soups, Wortsman et al. 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.streams import stream, stream_seed

_SETTLING = 100
"""Minibatches by which running statistics come to rest: PyTorch's forget nine tenths of what was in 22."""


@torch.no_grad()
def mean_of(network: Network, each: Sequence[Params], inputs: Tensor, batch: int, seed: int) -> Params:
    """The mean of params, with running statistics of its own.

    Args:
        network: traced for training; its buffers are where running statistics start.
        each: the params of each network by name, one network at least.
        inputs: `[N, *input_shape]`, standardized, for these statistics.
        batch: how many of them go together.
        seed: decides which.

    Returns:
        Params and buffers by name.
    """
    params = {name: torch.stack([one[name] for one in each]).mean(0) for name in network.params}
    buffers = {name: tensor.detach().clone() for name, tensor in network.buffers.items()}
    if any(buffer.is_floating_point() for buffer in buffers.values()):
        order = torch.randperm(len(inputs), generator=stream(seed, "mean"))
        batch = min(batch, len(inputs))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "mean"))
            for chosen in order.repeat(-(-_SETTLING * batch // len(order))).split(batch)[:_SETTLING]:
                if len(chosen) == batch:
                    network({**params, **buffers}, inputs[chosen])
    return {**params, **buffers}
