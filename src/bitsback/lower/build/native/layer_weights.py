"""A layer's weights as a plan has them: channels last, and as few numbers as say the same."""

from typing import TypeAlias

import numpy as np
from torch import Tensor

from bitsback.form.members import StoredStack
from bitsback.given.stacked import Stack
from bitsback.lower.build.native.compact import compact
from bitsback.lower.run.native.halves import has_no_lower_halves
from bitsback.lower.run.native.members import MemberWeights
from bitsback.lower.run.native.plan import Weights
from bitsback.posterior.contract import Gaussian

Value: TypeAlias = Tensor | Gaussian | Stack | StoredStack


def reshaped(value: Value, shape: tuple[int, ...]) -> Value:
    """A layer's weights, those of each output in another shape."""
    match value:
        case Gaussian(mean, var):
            return Gaussian(mean.reshape(-1, *shape), var.reshape(-1, *shape))
        case Stack(tensor):
            return Stack(tensor.reshape(*tensor.shape[:2], *shape))
        case StoredStack(numbers, scale):
            return StoredStack(numbers.reshape(*numbers.shape[:2], *shape), scale)
        case tensor:
            return tensor.reshape(-1, *shape)


def inputs_of(value: Value) -> int:
    """How many numbers each output of a linear layer is a sum over."""
    match value:
        case Gaussian(mean, _):
            return mean.shape[-1]
        case Stack(tensor) | StoredStack(tensor, _):
            return tensor.shape[-1]
        case tensor:
            return tensor.shape[-1]


def of_all(weight: Value, bias: Value | None) -> Weights:
    """Those of a layer that all members share, `[O, I, KH, KW]` and `[O]`."""
    mean, var = _moments(weight)
    bias_mean, bias_var = (np.zeros(len(mean), np.float32),) * 2 if bias is None else _moments(bias)
    spread = np.zeros_like(bias_mean) if bias_var is None else bias_var
    return compact(_channels_last(mean), bias_mean, None if var is None else _channels_last(var), spread)


def of_members(weight: Value, bias: Value | None, members: int, groups: int) -> MemberWeights:
    """Those of a layer of members, `[S, O, I, KH, KW]` and `[S, O]`; what all share has every member."""
    scale = np.ones((1, 1), np.float32)
    match weight:
        case StoredStack(numbers, factors):
            values, scale = numbers.numpy(), factors.numpy()[None]
        case each:
            values = member_values(each, members)
    sides = (members, values.shape[1])
    biases = np.zeros(sides, np.float32) if bias is None else member_values(bias, members)
    last = _channels_last(values)
    return MemberWeights(last, np.broadcast_to(scale, sides), biases, groups, halved=has_no_lower_halves(last))


def member_values(value: Value, members: int) -> np.ndarray:
    """A tensor of each member `[S, ...]`."""
    match value:
        case Stack(tensor):
            return tensor.detach().numpy()
        case StoredStack():
            return value.stack.tensor.numpy()
        case _:
            assert isinstance(value, Tensor)  # a Gaussian has no members
            return np.broadcast_to(value.detach().numpy(), (members, *value.shape))


def _channels_last(tensor: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(tensor, -3, -1))


def _moments(value: Value) -> tuple[np.ndarray, np.ndarray | None]:
    match value:
        case Gaussian(mean, var):
            return mean.numpy(), var.numpy()
        case _:
            assert isinstance(value, Tensor)  # members are no moments
            return value.detach().numpy(), None
