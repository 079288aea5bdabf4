"""The processors that libraries are compiled for, and whether this machine has one of them.

A target is a level of an instruction set and no single processor, so that a library runs wherever the level is: the levels of
x86-64 are those of the System V psABI.
"""

import platform
from dataclasses import dataclass
from pathlib import Path

from bitsback.errors import ArtifactError

_LEVEL_3 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe")
_LEVEL_4 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Target:
    """A level of an instruction set.

    Attributes:
        machine: what `platform.machine` calls the architecture.
        flags: what the kernel must list of the processor.
    """

    machine: str
    flags: tuple[str, ...] = ()


TARGETS = {
    "x86-64": Target("x86_64"),
    "x86-64-v3": Target("x86_64", _LEVEL_3),
    "x86-64-v4": Target("x86_64", (*_LEVEL_3, *_LEVEL_4)),
    "aarch64": Target("aarch64"),
}
"""By name, a better one of the same architecture after a lesser one."""


def runnable() -> list[str]:
    """The targets whose libraries run here, the best first."""
    flags = _flags()
    here = [name for name, each in TARGETS.items() if each.machine == platform.machine() and flags >= {*each.flags}]
    return here[::-1]


def best() -> str:
    """The best of them.

    Raises:
        ArtifactError: None runs here.
    """
    here = runnable()
    if not here:
        raise ArtifactError(f"this machine, {platform.machine()}, runs no target that there is: {', '.join(TARGETS)}")
    return here[0]


def check_runnable(target: str) -> None:
    """Refuse a library that this processor cannot run.

    Raises:
        ArtifactError: It is for another architecture, or needs instructions that are not here.
    """
    known = TARGETS.get(target)
    if known is None:
        raise ArtifactError(f"a library is for {target!r}; known are {', '.join(TARGETS)}")
    if known.machine != platform.machine():
        raise ArtifactError(f"a library is for {target}, and this machine is {platform.machine()}")
    if missing := sorted({*known.flags} - _flags()):
        raise ArtifactError(f"a library is for {target}, and this processor lacks {', '.join(missing)}")


def _flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return set(found.partition(":")[2].split())
