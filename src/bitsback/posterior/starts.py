"""Where the chains of a method start that has several: at weights drawn anew."""

import copy

import torch
from torch import nn

from bitsback.errors import NetworkError
from bitsback.given.params import Params
from bitsback.posterior.streams import chain_seed


def drawn_anew(module: nn.Module, chains: int, seed: int) -> list[Params]:
    """A start for each chain: the first is the module as it is, the others have every layer's weights drawn anew.

    Args:
        module: It is not changed. Its layers draw their weights by `reset_parameters`, as all of PyTorch's do.
        chains: How many.
        seed: Decides what is drawn.

    Raises:
        NetworkError: A layer with parameters of its own has no such method.
    """
    found = [_values(module)]
    for chain in range(1, chains):
        other = copy.deepcopy(module)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(chain_seed(seed, chain))
            for name, layer in other.named_modules():
                _reset(name, layer)
        found.append(_values(other))
    return found


def _reset(name: str, layer: nn.Module) -> None:
    """Draws a layer's own parameters.

    Raises:
        NetworkError: It has no way to.
    """
    reset = getattr(layer, "reset_parameters", None) or getattr(
        layer, "_reset_parameters", None
    )  # attention has the latter
    if callable(reset):
        reset()
    elif any(True for _ in layer.parameters(recurse=False)):
        what = f"'{name}'" if name else "the network itself"
        raise NetworkError(
            f"the chains of this method start at weights drawn anew, and {what}, a {type(layer).__name__}, has parameters and "
            "no reset_parameters() that draws them; give it one, or a `start`"
        )


def _values(module: nn.Module) -> Params:
    return {name: value.detach().clone() for name, value in module.named_parameters()}
