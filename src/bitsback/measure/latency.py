"""How long one call takes, beside a reference timed in the same run.

Every round calls each candidate once, in an order that rotates, so that a machine that slows down does so for all. A
latency is the median over rounds with its quartiles; a ratio is the median of the rounds' own ratios.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bitsback.errors import RecipeError
from bitsback.measure.journal import Measurement, Scalar


@dataclass(frozen=True)
class Candidate:
    """Something to time.

    Attributes:
        call: one whole call, its input and outputs already in memory.
        of: what it is, for the journal (stage, form, batch, …).
    """

    call: Callable[[], object]
    of: Mapping[str, Scalar] = field(default_factory=dict)


class Pair(NamedTuple):
    """Two that are timed and compared, by their places, the reference's being 0.

    Attributes:
        which: the one.
        other: the one that it is compared with.
        name: what the other is, for the journal.
    """

    which: int
    other: int
    name: str


@dataclass(frozen=True)
class LatencySettings:
    """How to time.

    Attributes:
        warmup: rounds before, which are not counted; at least 0.
        repeats: rounds that count, at least 1.
        again: calls of the same candidate just before the one that counts, which then finds its own numbers in the caches;
            with 0 it finds the others'.
        threads: how many threads a call uses, at least 1; stated in each row.
        batch: samples in a call; stated in each row.
        device: the device's name, stated in each row.
    """

    warmup: int = 20
    repeats: int = 200
    threads: int = 1
    batch: int = 1
    device: str = ""
    again: int = 0

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.repeats < 1:
            raise RecipeError(f"timing takes warmup ≥ 0 and repeats ≥ 1, not {self.warmup} and {self.repeats}")


def latency(
    candidates: Sequence[Candidate],
    reference: Candidate,
    settings: LatencySettings,
    *,
    pairs: Sequence[Pair] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> list[Measurement]:
    """Time candidates and reference together.

    Args:
        candidates: what to time, beside the reference.
        reference: what they are compared with.
        settings: how.
        pairs: further comparisons, with others than the reference.
        clock: seconds, monotonic.

    Returns:
        `latency` (s) for the reference and each candidate, then `latency_ratio` (x, to the reference) for each
        candidate, and for each pair, where `of` says `beside` what; the spread is the quartiles, `of` has the threads and
        the batch.
    """
    everything = [reference, *candidates]
    timed = rounds([each.call for each in everything], settings, clock=clock)
    return compared(timed, [each.of for each in everything], settings, pairs)


def compared(
    seconds: np.ndarray,
    of: Sequence[Mapping[str, Scalar]],
    settings: LatencySettings,
    pairs: Sequence[Pair] = (),
) -> list[Measurement]:
    """What `latency` says of seconds that were timed already.

    Args:
        seconds: [repeats, candidates], the reference in place 0.
        of: what each is, for the journal.
        settings: how they were timed.
        pairs: further comparisons, with others than the reference.
    """
    rows = [_row("latency", "s", seconds[:, i], each, settings) for i, each in enumerate(of)]
    beside = [(i, 0, each) for i, each in enumerate(of) if i]
    beside += [(which, other, {**of[which], "beside": name}) for which, other, name in pairs]
    return rows + [_row("latency_ratio", "x", seconds[:, i] / seconds[:, j], said, settings) for i, j, said in beside]


def rounds(
    calls: Sequence[Callable[[], object]],
    settings: LatencySettings,
    *,
    first: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """Seconds of every single call, [repeats, len(calls)], the garbage collector held off meanwhile.

    Args:
        calls: what to call.
        settings: how often.
        first: how many rounds there were already, so that the order goes on from theirs.
        clock: seconds, monotonic.
    """
    seconds = np.empty((settings.repeats, len(calls)))
    with _no_collection():
        for turn in range(-settings.warmup, settings.repeats):
            for step in range(len(calls)):
                which = (first + turn + step) % len(calls)
                for _ in range(settings.again):
                    calls[which]()
                start = clock()
                calls[which]()
                took = clock() - start
                if turn >= 0:
                    seconds[turn, which] = max(took, 1e-9)
    return seconds


def _row(what: str, unit: str, values: np.ndarray, of: Mapping[str, Scalar], settings: LatencySettings) -> Measurement:
    low, middle, high = (float(each) for each in np.quantile(values, [0.25, 0.5, 0.75]))
    stated = {**of, "batch": settings.batch, "threads": settings.threads}
    return Measurement(
        what, middle, unit, of=stated, repeats=settings.repeats, spread=(low, high), device=settings.device
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage until the end, then as before."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
