"""A network's parameters: a dict of tensors, by name."""

from typing import TypeAlias

from torch import Tensor

Params: TypeAlias = dict[str, Tensor]
