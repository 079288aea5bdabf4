"""Tuning a packed file: trials on a device, and the file written anew where they made its native library faster.

No PyTorch is needed: the file's plan has all that is compiled.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitsback.artifact.container import Artifact, encode, read, write
from bitsback.errors import ArtifactError, RecipeError
from bitsback.lower.build.comparison import check_close
from bitsback.lower.build.native.library import build
from bitsback.lower.build.tuning.database import Database
from bitsback.lower.build.tuning.search import GAIN, Job, search
from bitsback.lower.build.tuning.shape import Shape, shapes_of
from bitsback.lower.build.tuning.space import customary
from bitsback.lower.run.native.lanes import padded
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import best, runnable
from bitsback.lower.run.native.tiles import Tile
from bitsback.measure.native import Bench
from bitsback.run.measure import Draw, random_inputs
from bitsback.run.watcher import Step, Watcher
from bitsback.runtime.native import library_for, with_library

_SECONDS, _ROUNDS = 0.5, (20, 1000)


@dataclass(frozen=True)
class Asked:
    """What is to be tuned.

    Attributes:
        trials: How many, with those of an earlier call that the database has.
        batches: Which of the library's functions; all where there are none.
        seed: Decides which tiles are tried.
        draw: Gives the inputs of the whole network; noise when None.
    """

    trials: int
    batches: tuple[int, ...] = ()
    seed: int = 0
    draw: Draw | None = None


@dataclass(frozen=True)
class Function:
    """What became of one function.

    Attributes:
        batch: Its batch.
        kept: "tuned", "customary" or "as it was": which tiles it has now.
        customary: Seconds of a call with customary tiles: first quartile, median, third quartile.
        tuned: Seconds with the tiles that the trials found.
        ratio: Of the rounds, tuned over customary.
        latencies: Seconds of all products, each as fast as its best tile so far, before the first trial and after each.
    """

    batch: int
    kept: str
    customary: tuple[float, float, float]
    tuned: tuple[float, float, float]
    ratio: tuple[float, float, float]
    latencies: tuple[float, ...]


@dataclass(frozen=True)
class Tuned:
    """A file that was tuned.

    Attributes:
        device: On which.
        target: Of the library.
        trials: How many there are now.
        measured: How many of them are new.
        written: Whether the file was written anew: nothing was faster by more than noise otherwise.
        functions: What became of each.
    """

    device: str
    target: str
    trials: int
    measured: int
    written: bool
    functions: tuple[Function, ...]


def tune(path: Path, bench: Bench, database: Database, asked: Asked, watcher: Watcher | None = None) -> Tuned:
    """Search the fastest tiles for a packed file's native library, and put a library of them in its place.

    Args:
        path: The file, which must hold a library for the device. It is written anew, whole or not at all.
        bench: The device.
        database: Gets every trial as soon as it is made; what it has is not measured again.
        asked: How many trials, for which functions.
        watcher: Is told how many trials there are.

    Raises:
        ArtifactError: The file has no library for the device, is damaged, was written anew meanwhile, or cannot be written.
        RecipeError: The library has no function for a batch.
        RunError: The database is damaged, of another version, or cannot be written.
        ExportError: There is no linker, or the new library answers otherwise than the old one.
    """
    watcher, draw = watcher or Watcher(), asked.draw or random_inputs(asked.seed)
    artifact, (plan, library) = _opened(path, bench)
    entries = _entries(library, asked.batches)
    job = Job(_shapes(plan, entries), bench, library.target)
    before = len(job.trials(database))
    words = f"timing tiles for {library.target} on {bench.name}"
    trials = search(
        job, asked.trials, database, asked.seed,
        lambda done: watcher.step(Step(words, min(done, asked.trials - 1), asked.trials)),
    )  # fmt: skip
    watcher.step(Step(words, asked.trials, asked.trials))
    best = {shape: known.best for shape, known in job.known(trials).items()}
    decided = []
    for entry in entries:
        watcher.tell(f"timing the whole network, batch {entry.batch}")
        inputs = draw(artifact, entry.batch)
        decided.append(
            _decided(_Whole(plan, library.target, bench, inputs), entry, best, job.latencies(trials, entry.batch))
        )
    chosen = {entry.batch: entry for entry, _ in decided}
    written = any(chosen[entry.batch].tiles != entry.tiles for entry in entries)
    if written:
        new = build(plan, library.target, [chosen.get(entry.batch, entry) for entry in library.entries])
        _check(plan, library, new, draw(artifact, new.entries[0].batch))
        _replace(path, artifact, with_library(artifact, new))
    functions = tuple(function for _, function in decided)
    return Tuned(bench.name, library.target, len(trials), len(trials) - before, written, functions)


def _opened(path: Path, bench: Bench) -> tuple[Artifact, tuple[Plan, Library]]:
    artifact = read(path)
    try:
        return artifact, library_for(artifact, bench.targets, f"the device is {bench.name}")
    except ArtifactError as error:
        raise ArtifactError(f"{path} cannot be tuned: {error}") from error


def _entries(library: Library, batches: Sequence[int]) -> list[Entry]:
    """The functions that are asked for.

    Raises:
        RecipeError: There is none for a batch.
    """
    there = {entry.batch: entry for entry in reversed(library.entries)}
    missing = next((batch for batch in batches if batch not in there), None)
    if missing is not None:
        raise RecipeError(
            f"the library for {library.target} has functions for batches {', '.join(map(str, there))} and not for {missing}; "
            f"`bitsback pack RUN --library {library.target}:{','.join(map(str, sorted([*there, missing])))}` makes it"
        )
    return [entry for batch, entry in there.items() if not batches or batch in batches]


def _shapes(plan: Plan, entries: Sequence[Entry]) -> Counter[Shape]:
    found = Counter[Shape]()
    for entry in entries:
        for shape in shapes_of(plan, entry.batch, entry.together).values():
            found[shape] += 1 if shape.members is None else plan.width // padded(shape.members.count)
    return found


@dataclass(frozen=True)
class _Whole:
    """Where the whole network is timed."""

    plan: Plan
    target: str
    bench: Bench
    inputs: np.ndarray

    def seconds(self, entries: Sequence[Entry]) -> np.ndarray:
        """`[rounds, len(entries)]`, each the faster of two calls at different places in memory."""
        libraries = [build(self.plan, self.target, [entry]) for entry in entries]
        (probe,) = np.median(self.bench.seconds(self.plan, libraries[:1], self.inputs, 3), 0)
        rounds = int(np.clip(_SECONDS / probe, *_ROUNDS))
        timed = self.bench.seconds(self.plan, libraries * 2, self.inputs, rounds)
        return np.minimum(timed[:, : len(entries)], timed[:, len(entries) :])


def _decided(
    whole: _Whole, was: Entry, best: Mapping[Shape, Tile], latencies: tuple[float, ...]
) -> tuple[Entry, Function]:
    """The fastest of customary tiles, those that were there, and those that were found; a gain within noise changes nothing."""
    batch, shapes = was.batch, shapes_of(whole.plan, was.batch, was.together)
    plain = replace(was, tiles={index: customary(shape) for index, shape in shapes.items()})
    tuned = replace(was, tiles={index: best[shape] for index, shape in shapes.items()})
    named = {"customary": plain, "as it was": was, "tuned": tuned}
    different = [each for index, each in enumerate(named.values()) if each not in [*named.values()][:index]]
    seconds = whole.seconds(different)
    ratios = np.median(seconds / seconds[:, [different.index(was)]], 0)
    chosen = different[int(ratios.argmin())] if ratios.min() < GAIN else was
    kept = next(name for name, entry in named.items() if entry == chosen)
    before, after = seconds[:, 0], seconds[:, different.index(tuned)]
    return chosen, Function(batch, kept, _quartiles(before), _quartiles(after), _quartiles(after / before), latencies)


def _quartiles(values: np.ndarray) -> tuple[float, float, float]:
    low, middle, high = (float(each) for each in np.quantile(values, [0.25, 0.5, 0.75]))
    return low, middle, high


def _check(plan: Plan, old: Library, new: Library, inputs: np.ndarray) -> None:
    """Refuse a library of which a function answers otherwise than the one in whose place it goes.

    Where neither runs here, libraries for this machine with the same tiles are compared.

    Args:
        plan: Of both.
        old: The library that is there.
        new: One with functions for the same batches.
        inputs: As many as the largest batch.

    Raises:
        ExportError: A difference is larger than rounding explains.
    """
    if old.target not in runnable():
        old, new = (build(plan, best(), each.entries) for each in (old, new))
    one, other = (open_library(plan, each) for each in (old, new))
    std = plan.target_scale if plan.task == "regression" else np.ones(1)
    for entry in new.entries:
        some = inputs[: entry.batch]  # of just its size, so that this function answers and no other
        check_close(std, ("the tuned library", "the library before it"), one.run(some), other.run(some))


def _replace(path: Path, was: Artifact, new: Artifact) -> None:
    """Write a file anew, unless it is no longer the one that was read: a run may be packed anew while its file is tuned.

    Raises:
        ArtifactError: It is another one now, or cannot be written.
    """
    if encode(read(path)) != encode(was):
        raise ArtifactError(
            f"{path} was written anew while it was tuned, and is left so; the same command tunes what it holds now"
        )
    write(path, new)
