"""Tensors that a file says belong to a plan: taken one by one, each checked, and none left over."""

import math
from collections.abc import Mapping

import numpy as np

from bitsback.errors import ArtifactError


class NamedTensors:
    """Tensors by name; `close` refuses what nobody took."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors = tensors
        self._taken: set[str] = set()

    def shape(self, name: str, axes: int) -> tuple[int, ...]:
        """A tensor's shape, none of its axes empty.

        Raises:
            ArtifactError: it is not there, or has another number of axes.
        """
        if name not in self._tensors:
            raise ArtifactError(f"the plan has no tensor {name!r}")
        found = self._tensors[name].shape
        if len(found) != axes or 0 in found:
            raise ArtifactError(f"the plan's tensor {name!r} is of shape {found}; it must have {axes} axes, none empty")
        return found

    def take(
        self, name: str, shape: tuple[int, ...], *, least: float = -math.inf, dtype: str = "float32"
    ) -> np.ndarray:
        """A tensor.

        Args:
            name: its name.
            shape: what it must have.
            least: what none of its numbers may be below.
            dtype: what its numbers must be.

        Raises:
            ArtifactError: it is not there, of another shape or kind, or a number in it is not finite or too small.
        """
        found = self.shape(name, len(shape))
        self._taken.add(name)
        values = self._tensors[name]
        if found != shape or values.dtype.name != dtype:
            raise ArtifactError(f"the plan's tensor {name!r} is {values.dtype} {found}, where {dtype} {shape} belongs")
        if values.dtype.kind != "f":
            return values
        wrong = values[~(np.isfinite(values) & (values >= least))]
        if wrong.size:
            right = "finite" if least == -math.inf else f"a finite number of at least {least:g}"
            raise ArtifactError(f"the plan's tensor {name!r} holds {wrong[0]}; each number must be {right}")
        return values

    def close(self) -> None:
        """Refuse tensors that were not taken.

        Raises:
            ArtifactError: there are some.
        """
        unknown = sorted(self._tensors.keys() - self._taken)
        if unknown:
            raise ArtifactError(f"the plan has a tensor {unknown[0]!r}, which nothing in it reads")
