"""A packed file that can be tuned here."""

from dataclasses import replace
from functools import cache

from bitsback.artifact.container import encode
from bitsback.lower.build.native.library import build
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.targets import TARGETS, runnable
from bitsback.runtime.native import with_libraries
from tests.artifact import golden
from tests.lower.run.native.plans import SHAPE, plan

OTHER = next(name for name in TARGETS if name not in runnable())


@cache
def packed() -> bytes:
    """A file with a library for this machine, of two functions, and one for another machine, which has no code."""
    manifest = golden.artifact().manifest
    manifest = replace(manifest, input=replace(manifest.input, shape=SHAPE), normalization=None)
    libraries = [build(plan(), runnable()[0], [Entry(4), Entry(1)]), Library(OTHER, b"other code", (Entry(1),))]
    return encode(with_libraries(replace(golden.artifact(), manifest=manifest), plan(), libraries))
