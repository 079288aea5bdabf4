"""Whether an engine answers what PyTorch, or another engine, answers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitsback.errors import ExportError
from bitsback.lower.run.onnx import Outputs

if TYPE_CHECKING:
    from bitsback.form.program import Program

_RTOL, _ATOL = 1e-3, 1e-4  # float32 sums in another order, through a softmax

HERE = "this machine"


@dataclass(frozen=True)
class Compared:
    """How a native library was seen to answer what PyTorch answers.

    Attributes:
        target: what the library is for.
        ran: what the library that answered is for: another one, of the same kernels, where the first cannot run.
        device: where it ran.
        difference: the largest, absolute, of all outputs.
    """

    target: str
    ran: str
    device: str
    difference: float

    @property
    def sentence(self) -> str:
        """For people."""
        close = f"differs from PyTorch's answers by at most {self.difference:.1g}"
        if self.ran == self.target:
            return f"the library for {self.target}, run on {self.device}, {close}"
        return (
            f"the library for {self.target} cannot run here and was not; one for {self.ran} of the same kernels {close}"
        )


def check_same(program: "Program", engine: str, expected: Outputs, found: Outputs) -> float:
    """Refuse an engine that answers otherwise than PyTorch.

    Args:
        program: What was lowered, for its units.
        engine: What an error calls the engine.
        expected: PyTorch's answers.
        found: The engine's.

    Returns:
        The largest absolute difference.

    Raises:
        ExportError: A difference is larger than rounding explains.
    """
    targets = program.units.targets
    std = np.ones(1) if targets is None else np.asarray(targets.std)
    return check_close(std, (engine, "PyTorch"), expected, found)


def check_close(std: np.ndarray, engines: tuple[str, str], expected: Outputs, found: Outputs) -> float:
    """Refuse an engine that answers otherwise than another.

    Args:
        std: The targets' standard deviations `[D]`; ones for a classification.
        engines: What an error calls the engine and the other.
        expected: The other's answers.
        found: The engine's.

    Returns:
        The largest absolute difference.

    Raises:
        ExportError: A difference is larger than rounding explains.
    """
    for name, right, got in zip(Outputs._fields, expected, found, strict=True):
        allowed = _ATOL * (std if name == "mean" else np.asarray(np.sum(std**2)))
        if not np.all(np.abs(got - right) <= allowed + _RTOL * np.abs(right)):
            raise ExportError(
                f"{engines[0]}'s output {name!r} differs from {engines[1]}'s by up to {np.abs(got - right).max():.3g}; at "
                f"most {np.max(allowed):.3g} + {_RTOL:g} of the value was expected"
            )
    return max(float(np.abs(got - right).max()) for right, got in zip(expected, found, strict=True))
