"""Where native libraries are timed: this machine, or whatever else keeps the same promise."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.library import Library, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import runnable
from bitsback.measure.device import cpu_model
from bitsback.measure.latency import LatencySettings, rounds


class Bench(Protocol):
    """A device on which native libraries can be timed."""

    @property
    def name(self) -> str:
        """What the journal and a tuning database call it: the processor, not the address."""
        ...

    @property
    def targets(self) -> tuple[str, ...]:
        """The keys of `TARGETS` that run there, the best first."""
        ...

    def seconds(self, plan: Plan, libraries: Sequence[Library], inputs: np.ndarray, repeats: int) -> np.ndarray:
        """Time single calls, the libraries in turns.

        Args:
            plan: What all of them were compiled from.
            libraries: Each with a function for this batch.
            inputs: One batch, raw float32 `[B, *shape]`.
            repeats: Rounds that count.

        Returns:
            `[repeats, len(libraries)]`.

        Raises:
            ArtifactError: A library cannot be loaded there.
        """
        ...


def check_batch(target: str, there: Iterable[int], batch: int) -> None:
    """Refuse a batch that no function of a library is for.

    Args:
        target: What the library is for.
        there: The batches of its functions.
        batch: The one that is asked for.

    Raises:
        ArtifactError: It is none of them.
    """
    known = sorted(there)
    if batch not in known:
        said = ", ".join(map(str, known))
        raise ArtifactError(f"the library for {target} has functions for batches of {said}, and not of {batch}")


class Here:
    """This machine, one thread."""

    @property
    def name(self) -> str:
        """The processor."""
        return cpu_model()

    @property
    def targets(self) -> tuple[str, ...]:
        """What runs here."""
        return tuple(runnable())

    def seconds(self, plan: Plan, libraries: Sequence[Library], inputs: np.ndarray, repeats: int) -> np.ndarray:
        """Time single calls, in turns."""
        calls = [open_library(plan, each).calls[len(inputs)] for each in libraries]
        for call in calls:
            call.input[:] = inputs
        return rounds(calls, LatencySettings(warmup=max(1, repeats // 10), repeats=repeats, batch=len(inputs)))
