"""The network, as PyTorch has it: the one that Pyro samples the weights of, and that bitsback traces."""

import math

from torch import nn

INPUT_MEAN, INPUT_STD = (0.0,), (16.0,)  # grey values go from 0 to 16


def network(input_shape: tuple[int, ...], outputs: int, width: int = 64) -> nn.Sequential:
    """An MLP with one hidden layer."""
    size = math.prod(input_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, outputs))
