"""A device whose every time is known: what a tile costs is a formula of it."""

from collections.abc import Callable

import numpy as np

from bitsback.lower.build.tuning.shape import Shape
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.tiles import Tile

TARGET = "x86-64-v3"
CONV = Shape(1, 16, 16, 32, 32, (3, 3), (1, 1), (1, 1), True, True, "each")
VECTORS = Shape(10, 1, 1, 104, 100, (1, 1), (1, 1), (0, 0), True, True, "each")
LAST = Shape(10, 1, 1, 104, 10, (1, 1), (1, 1), (0, 0), True, True, "product")
BEST = Tile(2, 3, 4, across=True)


def cost(tile: Tile) -> float:
    """Least at `BEST`."""
    off = [
        abs(tile.positions - BEST.positions),
        abs(tile.vectors - BEST.vectors),
        abs(np.log2(tile.unroll / BEST.unroll)),
        abs(np.log2(tile.sums / BEST.sums)),
        tile.across != BEST.across,
    ]
    return 1e-4 * float(np.prod([1 + 0.1 * each for each in off]))


def compiled(shape: Shape, tile: Tile, target: str) -> Library:
    """A library without code."""
    return Library(target, b"", (Entry(shape.batch, {0: tile}),))


class Known:
    """Its calls are counted; where it is not steady it is slow at times, as a shared machine is."""

    def __init__(self, name: str = "a processor", *, steady: bool = True, cost: Callable[[Tile], float] = cost) -> None:
        self.name, self.targets, self.calls, self._steady, self._cost = name, (TARGET,), 0, steady, cost

    def seconds(self, plan, libraries, inputs, repeats):
        self.calls += 1
        load = np.random.default_rng(self.calls).uniform(1, 1 if self._steady else 3, size=(repeats, 1))
        costs = [sum(map(self._cost, library.entries[0].tiles.values())) for library in libraries]
        return load * costs * len(inputs)
