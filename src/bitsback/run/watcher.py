"""Who is told how a run goes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitsback.posterior.fit import Progress


@dataclass(frozen=True)
class Watcher:
    """Who is told how a run goes.

    Attributes:
        tell: Is told what is being done, in words.
        watch: Is told where a training is; None where nobody wants to know.
    """

    tell: Callable[[str], None] = lambda _: None
    watch: "Callable[[Progress], None] | None" = None
