"""A library for aarch64 under QEMU's user mode, which runs the program of one architecture on another.

No sandbox: what the library does, it does with all rights of this process.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bitsback.errors import ArtifactError, MissingExtraError
from bitsback.lower.build.native.emulation.driver import driver
from bitsback.lower.build.native.emulation.image import image
from bitsback.lower.build.native.linking import lld
from bitsback.lower.run.native.library import Library, check_inputs
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.onnx import Outputs

DEVICE, TARGET = "emulated-aarch64", "aarch64"
_ROOT = Path("/usr/aarch64-linux-gnu")  # where Debian has the C library for aarch64
_LIBC = _ROOT / "lib" / "libc.so.6"
_PROCESSOR = "cortex-a53"  # the first level of the architecture, which the target promises to need no more than
_LONGEST = 600  # seconds of one run; QEMU is hundreds of times slower than a processor


class EmulatedSession:
    """A library for aarch64, ready to be run under emulation."""

    def __init__(self, plan: Plan, library: Library) -> None:
        """Without a look at the code.

        Args:
            plan: What it was compiled from.
            library: Trusted: its code runs with the rights of this process.

        Raises:
            ArtifactError: it is for another processor.
            MissingExtraError: what emulates is not installed.
        """
        if library.target != TARGET:
            raise ArtifactError(f"a library is for {library.target}, and what is emulated is {TARGET}")
        linker, emulator = lld(), _emulator()
        if linker is None or emulator is None or not _LIBC.exists():
            raise MissingExtraError(
                f"emulating {TARGET} needs {', '.join(missing())}; `make setup-emulation` installs what is not there"
            )
        self._linker, self._emulator = linker, emulator
        self._plan, self._library = plan, library

    def run(self, x: np.ndarray) -> Outputs:
        """Answer a batch, in pieces of the sizes that the library has.

        Args:
            x: [N, *shape] in raw units; taken as float32.

        Raises:
            ArtifactError: the inputs have another shape, or the library cannot be loaded or fails.
            ExportError: the program that calls it cannot be linked.
        """
        check_inputs(self._plan, x)
        found = image(self._plan, self._library, x)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "library.so").write_bytes(self._library.code)
            (folder / "image").write_bytes(found.content)
            program = folder / "driver"
            program.write_bytes(driver(self._linker, _LIBC))
            program.chmod(0o700)  # QEMU runs nothing else
            _emulate([self._emulator, "-cpu", _PROCESSOR, "-L", str(_ROOT), str(program)], folder)
            return found.answers((folder / "image").read_bytes(), len(x))


def missing() -> list[str]:
    """What emulation needs and is not installed."""
    there = {"qemu-aarch64": _emulator(), "ld.lld": lld(), str(_LIBC): _LIBC.exists() or None}
    return [name for name, found in there.items() if found is None]


def _emulator() -> str | None:
    return shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")


def _emulate(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, env={}, capture_output=True, timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"a library for {TARGET} did not answer within {_LONGEST} s of emulation") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise ArtifactError(
            f"a library for {TARGET} fails under emulation, with exit status {done.returncode}: {lines[0]:.300}"
        )
