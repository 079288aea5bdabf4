"""A network's parameters as a dict of tensors by name, and the same as one flat vector."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Params: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """Where each named tensor lies in a flat vector.

    Attributes:
        names: the tensors' names, in order.
        shapes: their shapes, in the same order.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @classmethod
    def of(cls, params: Mapping[str, Tensor]) -> "Layout":
        """The layout of a dict of tensors in its own order."""
        return cls(tuple(params), tuple(tensor.shape for tensor in params.values()))

    @property
    def sizes(self) -> list[int]:
        """The number of elements of each tensor."""
        return [math.prod(shape) for shape in self.shapes]

    @property
    def size(self) -> int:
        """The length of the flat vector."""
        return sum(self.sizes)

    def pack(self, params: Mapping[str, Tensor]) -> Tensor:
        """One flat float32 vector `[size]` that holds a copy of every tensor of the layout."""
        parts = [params[name].detach().reshape(-1).float() for name in self.names]
        return torch.cat(parts) if parts else torch.zeros(0)

    def unpack(self, flat: Tensor) -> Params:
        """Views into `flat` `[..., size]`, each `[..., *shape]`; gradients flow back into it."""
        lead = flat.shape[:-1]
        parts = flat.split(self.sizes, dim=-1) if self.names else ()
        return {n: part.view(*lead, *s) for n, part, s in zip(self.names, parts, self.shapes, strict=True)}


def select(params: Mapping[str, Tensor], names: Iterable[str]) -> Params:
    """The named part of a dict of tensors."""
    return {name: params[name] for name in names}
