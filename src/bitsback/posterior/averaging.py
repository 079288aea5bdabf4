"""The mean over weights of several networks that began at the same ones (model soups, Wortsman et al. 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.settling import settle
from bitsback.posterior.streams import stream, stream_seed


@torch.no_grad()
def mean_of(network: Network, each: Sequence[Params], inputs: Tensor, batch: int, seed: int) -> Params:
    """The mean of params, with running statistics of its own.

    Args:
        network: traced for training; its buffers are where running statistics start.
        each: the params of each network by name, one network at least; those that they lack are the network's.
        inputs: `[N, *input_shape]`, standardized, for these statistics.
        batch: how many of them go together.
        seed: decides which.

    Returns:
        Params and buffers by name.
    """
    params = {
        name: torch.stack([one[name] for one in each]).mean(0) if name in each[0] else value  # what is never trained
        for name, value in network.params.items()
    }
    buffers = {name: tensor.detach().clone() for name, tensor in network.buffers.items()}
    if any(buffer.is_floating_point() for buffer in buffers.values()):
        batch = min(batch, len(inputs))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "mean"))  # of dropout
            tensors = {**params, **buffers}
            settle(len(inputs), batch, stream(seed, "mean"), lambda chosen: network(tensors, inputs[chosen]))
    return {**params, **buffers}
