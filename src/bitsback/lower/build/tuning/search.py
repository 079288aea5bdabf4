"""The search for the best tile of each shape, by trials on the device.

A trial times one tile beside the best before it, in the same rounds: a machine that slows down does so for both. All that a
search knows follows from its trials in their order, so that one which goes on after a break is the same search.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bitsback.lower.build.tuning.database import Database, Trial
from bitsback.lower.build.tuning.layer import compiled, repeats
from bitsback.lower.build.tuning.shape import Shape, alone
from bitsback.lower.build.tuning.space import customary, neighbours, space
from bitsback.lower.run.native.library import Library
from bitsback.lower.run.native.tiles import Tile
from bitsback.measure.native import Bench

GAIN = 0.98
"""What a ratio must be below: a smaller gain is as likely to be noise."""
_SECONDS = 0.05  # what one library's calls of a trial take together, about
_ROUNDS = (12, 200)


@dataclass(frozen=True)
class Known:
    """What the trials of one shape say.

    Attributes:
        best: the fastest tile so far.
        ratio: its time over that of the customary tile, as far as one trial after the other tells.
        seconds: what the product takes with the customary tile; None before the first trial.
        tried: the tiles that were measured.
    """

    best: Tile
    ratio: float = 1.0
    seconds: float | None = None
    tried: frozenset[Tile] = frozenset()

    def leads_to(self, trial: Trial) -> bool:
        """Whether a trial goes on from these: one beside another tile than the best does not say what it is to the best."""
        return trial.beside == self.best

    def after(self, trial: Trial) -> "Known":
        """With one more trial that these lead to."""
        better = trial.ratio < GAIN
        return Known(
            trial.tile if better else self.best,
            self.ratio * trial.ratio if better else self.ratio,
            trial.beside_seconds if self.seconds is None else self.seconds,
            self.tried | {trial.tile},
        )


@dataclass(frozen=True)
class Job:
    """What is searched, and where.

    Attributes:
        shapes: the products of the functions that are tuned, and how often each is in its function.
        bench: the device.
        target: what is compiled for.
        compile: makes a library of `alone(shape)`.
    """

    shapes: Mapping[Shape, int]
    bench: Bench
    target: str
    compile: Callable[[Shape, Tile, str], Library] = compiled

    @cached_property
    def spaces(self) -> dict[Shape, tuple[Tile, ...]]:
        """The tiles that are worth trying."""
        return {shape: space(shape, self.target) for shape in self.shapes}

    def trials(self, database: Database) -> list[Trial]:
        """Those of the database that are about this job and go on from one another, the first from the customary tile.

        Raises:
            RunError: the database is damaged or of another version.
        """
        here = (self.bench.name, self.target)
        known, found = self.known(()), list[Trial]()
        for trial in database.read():
            about = (trial.device, trial.target) == here and trial.shape in known
            if about and known[trial.shape].leads_to(trial):
                known[trial.shape] = known[trial.shape].after(trial)
                found.append(trial)
        return found

    def known(self, trials: Iterable[Trial]) -> dict[Shape, Known]:
        """What trials say of each shape, as `trials` gives them."""
        found = {shape: Known(customary(shape)) for shape in self.shapes}
        for trial in trials:
            found[trial.shape] = found[trial.shape].after(trial)
        return found

    def latencies(self, trials: Sequence[Trial], batch: int) -> tuple[float, ...]:
        """Seconds of all products of a function before the first trial and after each, as far as trials tell."""
        seconds = {shape: each.seconds or 0.0 for shape, each in self.known(trials).items() if shape.batch == batch}
        known = self.known(())

        def together() -> float:
            return sum(self.shapes[shape] * each * known[shape].ratio for shape, each in seconds.items())

        found = [together()]
        for trial in trials:
            known[trial.shape] = known[trial.shape].after(trial)
            found.append(together())
        return tuple(found)


def search(
    job: Job, trials: int, database: Database, seed: int = 0, tell: Callable[[int], None] = lambda _: None
) -> list[Trial]:
    """Try tiles until so many trials are in the database, or every tile was tried.

    Args:
        job: What is searched.
        trials: How many, with those that the database has already.
        database: Gets every trial as soon as it is made.
        seed: Decides which tiles are tried.
        tell: Is told how many trials there are, before the first new one and after each.

    Returns:
        All trials about this job, oldest first.

    Raises:
        RunError: The database is damaged, of another version, or cannot be written.
        ArtifactError: The device cannot load a library.
        ExportError: There is no linker for the target.
    """
    found = job.trials(database)
    known = job.known(found)
    stand = _Stand(job)
    tell(len(found))
    while len(found) < trials:
        unfinished = {shape: each for shape, each in known.items() if not each.tried.issuperset(job.spaces[shape][1:])}
        if not unfinished:
            break
        shape = _next(job, unfinished)
        before = known[shape]
        trial = stand.trial(shape, _proposed(job.spaces[shape], before, (seed, shape)), before)
        database.add(trial)
        found.append(trial)
        known[shape] = before.after(trial)
        tell(len(found))
    return found


def _next(job: Job, known: Mapping[Shape, Known]) -> Shape:
    """The shape with the most of its function's time for each trial that it had; first those that had none."""
    new = next((shape for shape, each in known.items() if each.seconds is None), None)
    if new is not None:
        return new
    times = {shape: job.shapes[shape] * (each.seconds or 0) * each.ratio for shape, each in known.items()}
    whole: dict[int, float] = {}
    for shape, seconds in times.items():
        whole[shape.batch] = whole.get(shape.batch, 0) + seconds
    return max(times, key=lambda shape: times[shape] / whole[shape.batch] / (len(known[shape].tried) + 1))


def _proposed(tiles: tuple[Tile, ...], known: Known, drawn_from: tuple[int, Shape]) -> Tile:
    """A tile that was not tried: in turns one next to the best, while there is one, and any."""
    seed, shape = drawn_from
    draw = np.random.default_rng([seed, zlib.crc32(repr(shape).encode()), len(known.tried)])
    new = [tile for tile in tiles[1:] if tile not in known.tried]
    near = [tile for tile in neighbours(known.best, tiles) if tile in new]
    among = near if near and len(known.tried) % 2 == 0 else new
    return among[int(draw.integers(len(among)))]


@dataclass(frozen=True)
class _Stand:
    """Where tiles are timed; keeps the library of the best of each shape."""

    job: Job
    best: dict[Shape, tuple[Tile, Library]] = field(default_factory=dict)

    def trial(self, shape: Shape, tile: Tile, known: Known) -> Trial:
        """Time a tile beside the best."""
        job, plan, times = self.job, alone(shape), repeats(shape)
        inputs = np.zeros((shape.batch, *plan.input_shape), np.float32)
        libraries = [self._compiled(shape, known.best), job.compile(shape, tile, job.target)]
        call = float(np.median(job.bench.seconds(plan, libraries[:1], inputs, 3)))
        rounds = int(np.clip(_SECONDS / call, *_ROUNDS))

        def compared() -> tuple[float, float, float]:
            # Each twice, at two places in memory: where the places are unlucky, a call takes up to twice as long.
            timed = job.bench.seconds(plan, libraries * 2, inputs, rounds) / times
            other, own = np.minimum(timed[:, :2], timed[:, 2:]).T
            return float(np.median(own / other)), float(np.median(own)), float(np.median(other))

        ratio, seconds, beside = compared()
        if ratio < GAIN:  # a gain that does not come again was none
            ratio, seconds, beside = max((ratio, seconds, beside), compared())
        if ratio < GAIN:
            self.best[shape] = (tile, libraries[1])
        return Trial(job.bench.name, job.target, shape, tile, known.best, seconds, beside, ratio, rounds)

    def _compiled(self, shape: Shape, tile: Tile) -> Library:
        if shape not in self.best or self.best[shape][0] != tile:
            self.best[shape] = (tile, self.job.compile(shape, tile, self.job.target))
        return self.best[shape][1]
