"""Whether an engine answers what PyTorch answers."""

import numpy as np

from bitsback.errors import ExportError
from bitsback.form.program import Program
from bitsback.lower.run.onnx import Outputs

_RTOL, _ATOL = 1e-3, 1e-4  # float32 sums in another order, through a softmax


def check_same(program: Program, engine: str, expected: Outputs, found: Outputs) -> float:
    """Refuse an engine that answers otherwise.

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
    for name, right, got in zip(Outputs._fields, expected, found, strict=True):
        allowed = _ATOL * _unit(program, name)
        if not np.all(np.abs(got - right) <= allowed + _RTOL * np.abs(right)):
            raise ExportError(
                f"{engine}'s output {name!r} differs from PyTorch's by up to {np.abs(got - right).max():.3g}; at most "
                f"{np.max(allowed):.3g} + {_RTOL:g} of the value was expected"
            )
    return max(float(np.abs(got - right).max()) for right, got in zip(expected, found, strict=True))


def _unit(program: Program, output: str) -> np.ndarray:
    """What counts as one in an output: for regression the targets' standard deviations `[D]`, or the sum of their squares."""
    targets = program.units.targets
    std = np.ones(1) if targets is None else np.asarray(targets.std)
    return std if output == "mean" else np.asarray(np.sum(std**2))
