"""From a program to a native library that answers what PyTorch answers."""

from collections.abc import Sequence

import numpy as np
import torch

from bitsback.form.program import Program
from bitsback.lower.build.comparison import check_same
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.onnx import Outputs


def lower(program: Program, target: str, entries: Sequence[Entry], inputs: np.ndarray) -> tuple[Plan, Library]:
    """A program as a native library that answers what PyTorch answers.

    Args:
        program: A point or a propagated form.
        target: A key of `targets.TARGETS`. Where its code does not run here, a library for this machine is compared instead.
        entries: The functions that are wanted.
        inputs: Real ones, raw `[N, *shape]`, to compare on.

    Raises:
        ExportError: An operator has no kernel, or the library answers otherwise.
    """
    plan = plan_of(program)
    made = build(plan, target, entries)
    here = made if target in runnable() else build(plan, runnable()[0], entries)
    with torch.no_grad():
        expected = program.module(torch.from_numpy(np.ascontiguousarray(inputs, np.float32)))
    found = open_library(plan, here).run(inputs)
    check_same(program, "the native library", Outputs(*(each.numpy() for each in expected)), found)
    return plan, made
