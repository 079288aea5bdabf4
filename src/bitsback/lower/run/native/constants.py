"""The buffer of constants, one array after another."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitsback.lower.run.native.lanes import padded


@dataclass
class Constants:
    """What was added so far.

    Attributes:
        parts: The arrays.
        size: How many numbers they have.
    """

    parts: list[np.ndarray] = field(default_factory=list)
    size: int = 0

    def add(self, values: Any) -> int:
        """The offset of an array, padded to whole vectors."""
        flat = np.asarray(values, np.float32).ravel()
        room = np.zeros(padded(flat.size), np.float32)
        room[: flat.size] = flat
        self.parts.append(room)
        self.size += room.size
        return self.size - room.size

    def add_bits(self, values: np.ndarray) -> int:
        """The offset of whole numbers, whose bits stand where those of float32 would."""
        data = np.ascontiguousarray(values).tobytes()
        return self.add(np.frombuffer(data + bytes(-len(data) % 4), np.float32))
