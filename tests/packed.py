"""A packed file with a library for this machine."""

from collections.abc import Sequence
from pathlib import Path

from bitsback.artifact.container import write
from bitsback.lower.build.native.library import build
from bitsback.lower.run.native.library import Entry
from bitsback.lower.run.native.targets import runnable
from bitsback.runtime.native import with_libraries
from tests.artifact import golden


def with_library(path: Path, batches: Sequence[int]) -> Path:
    """Writes the golden artifact with functions of one member for some batches."""
    library = build(golden.plan(), runnable()[0], [Entry(batch) for batch in batches])
    write(path, with_libraries(golden.artifact(), golden.plan(), [library]))
    return path
