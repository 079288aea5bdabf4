"""A data set and a network of one's own, for the recipe `own.toml`."""

import numpy as np
from torch import Tensor, nn


def spirals() -> dict[str, object]:
    """Points in the plane on three arms of a spiral: which arm? Points between the arms are on none."""
    rng = np.random.default_rng(0)
    return {
        "train": _points(1500, rng),
        "test": _points(500, rng),
        "labels": ["first arm", "second arm", "third arm"],
        "out_of_distribution": _points(500, rng, turned=np.pi / 3)[0],
    }


def _points(count: int, rng: np.random.Generator, *, turned: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs float32 [N, 2] and classes int64 [N]; all arms turned by so many radians."""
    arm = rng.integers(0, 3, count)
    radius = rng.uniform(0.3, 2, count)
    angle = 2 * radius + 2 * np.pi / 3 * arm + rng.normal(0, 0.1, count) + turned
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points.astype(np.float32), arm


class Net(nn.Module):
    """Two hidden layers.

    Args:
        input_shape: The shape of one input; (2,) here.
        outputs: The number of classes.
        width: Of the hidden layers.
    """

    def __init__(self, input_shape: tuple[int, ...], outputs: int, *, width: int = 32) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(input_shape[0], width), nn.Linear(width, width)
        self.last = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map standardized points [B, 2] to logits [B, outputs]."""
        return self.last(self.second(self.first(x).relu()).relu())
