"""A processor that is not there: what a library answers on it can be seen, and how long it takes cannot."""

import numpy as np

from bitsback.lower.build.native.emulation.session import DEVICE, TARGET, EmulatedSession
from bitsback.lower.run.native.library import Library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.onnx import Outputs

NEVER_TIMED = (
    f"{DEVICE} says what a library answers and never how long it takes, for an emulator's time is no processor's; time it on a "
    "device that is one"
)


class Emulated:
    """An aarch64 processor in QEMU's user mode."""

    @property
    def name(self) -> str:
        """What it is called."""
        return DEVICE

    @property
    def targets(self) -> tuple[str, ...]:
        """What runs there."""
        return (TARGET,)

    def opened(self, plan: Plan, library: Library) -> EmulatedSession:
        """A library, ready to run.

        Args:
            plan: What it was compiled from.
            library: Trusted: its code runs with the rights of this process.

        Raises:
            ArtifactError: It is for another processor.
            MissingExtraError: What emulates is not installed.
        """
        return EmulatedSession(plan, library)

    def run(self, plan: Plan, library: Library, inputs: np.ndarray) -> Outputs:
        """What a library answers.

        Args:
            plan: What it was compiled from.
            library: Trusted.
            inputs: Raw `[N, *shape]`.

        Raises:
            ArtifactError: It is for another processor, cannot be loaded, or fails.
            MissingExtraError: What emulates is not installed.
        """
        return self.opened(plan, library).run(inputs)
