"""Who is told how a run goes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bitsback.posterior.fit import Progress


class Step(NamedTuple):
    """Where a stage of known length is: what is being done, and how many of all steps are done."""

    words: str
    done: int
    steps: int


@dataclass(frozen=True)
class Watcher:
    """Who is told how a run goes.

    Attributes:
        tell: Is told what is being done, in words.
        step: Is told where a stage of known length is, before its first step and after each.
        watch: Is told where a training is; None where nobody wants to know.
    """

    tell: Callable[[str], None] = lambda _: None
    step: Callable[[Step], None] = lambda _: None
    watch: "Callable[[Progress], None] | None" = None
