"""What links object code to a library or a program: this machine's compiler, or LLVM's linker for another architecture."""

import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bitsback.errors import ExportError
from bitsback.lower.run.native.targets import TARGETS

_VERSIONS = range(25, 13, -1)  # of LLVM's linker, where a distribution has it under its version's name alone


def link(target: str, output: Path, objects: Sequence[Path]) -> None:
    """Link a shared library.

    What it takes from tvm-ffi stays undefined, and is found when tvm-ffi loads it.

    Args:
        target: A key of `targets.TARGETS`, for which the objects were compiled.
        output: The library's file.
        objects: Object files.

    Raises:
        ExportError: No linker for the target is installed, or it fails.
    """
    run([*_linker(target), "-shared", "-o", str(output), *map(str, objects)], target)


def run(command: Sequence[str], target: str) -> None:
    """Run a linker.

    Raises:
        ExportError: It fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()), f"{command[0]} fails with {done.returncode}")
        raise ExportError(f"what is compiled for {target} cannot be linked: {said}")


def lld() -> str | None:
    """LLVM's linker, which links for every architecture, or None where it is not installed."""
    return next(filter(None, map(shutil.which, ["ld.lld", *(f"ld.lld-{each}" for each in _VERSIONS)])), None)


def _linker(target: str) -> list[str]:
    machine = TARGETS[target].machine
    if machine == platform.machine():
        name, package = "g++", "g++"
    else:
        if (found := lld()) is not None:
            return [found]
        name, package = f"{machine}-linux-gnu-g++", f"g++-{machine.replace('_', '-')}-linux-gnu"
    if shutil.which(name) is None:
        either, packages = ("", package) if name == "g++" else ("ld.lld or ", f"lld and {package}")
        raise ExportError(
            f"a library for {target} is linked by {either}{name}, which is not there; Debian has it in {packages}"
        )
    return [name]
