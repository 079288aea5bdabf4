"""A device: where a program runs to be measured. Here, this machine's processor under ONNX Runtime."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from bitsback.measure.outputs import Outputs


class Session(Protocol):
    """A loaded program."""

    def run(self, x: np.ndarray) -> Outputs:
        """Answer a batch of raw inputs, float32 [batch, *shape]."""
        ...


class Device(Protocol):
    """A place to run programs. Its name goes into the journal beside every latency."""

    @property
    def name(self) -> str:
        """The processor and how many threads it may use."""
        ...

    def load(self, program: bytes, weights: Mapping[str, np.ndarray]) -> Session:
        """Make a program ready to run.

        Args:
            program: the ONNX graph.
            weights: its external tensors, by name.
        """
        ...


@dataclass(frozen=True)
class Cpu:
    """This machine's processor, under ONNX Runtime.

    Attributes:
        threads: how many threads one call may use.
    """

    threads: int = 1

    @property
    def name(self) -> str:
        """For instance `AMD EPYC (x86_64), 1 thread`."""
        return f"{cpu_model()}, {self.threads} thread{'s' if self.threads != 1 else ''}"

    def load(self, program: bytes, weights: Mapping[str, np.ndarray]) -> Session:
        """Open the program in ONNX Runtime."""
        from bitsback.lower.run.onnx import open_program

        return open_program(program, weights, threads=self.threads)


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name and architecture, as Linux tells it, or else as Python's `platform` does.

    Linux has no name for most processors of ARM, and the numbers of their implementer and part instead: `ARM 0x41 0xd03`.
    """
    found: dict[str, str] = {}
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    named = next((found[key] for key in ("model name", "Model", "Hardware", "cpu") if found.get(key)), "")
    numbers = " ".join(("ARM", found["CPU implementer"], found["CPU part"])) if found.keys() >= _ARM else ""
    return f"{named or numbers or platform.processor() or 'processor'} ({platform.machine()})"


_ARM = {"CPU implementer", "CPU part"}
