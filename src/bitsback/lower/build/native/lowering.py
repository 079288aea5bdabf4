"""From a program to a native library that answers what PyTorch answers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from bitsback.form.program import Program
from bitsback.lower.build.comparison import HERE, Compared, check_same
from bitsback.lower.build.native.emulation import session as emulation
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import best, runnable
from bitsback.lower.run.onnx import Outputs


class Lowered(NamedTuple):
    """A program as a native library.

    Attributes:
        plan: what it computes.
        library: the code.
        compared: how it was seen to answer what PyTorch answers.
    """

    plan: Plan
    library: Library
    compared: Compared


def lower(program: Program, target: str, entries: Sequence[Entry], inputs: np.ndarray) -> Lowered:
    """A program as a native library that answers what PyTorch answers.

    Args:
        program: A point, an ensemble or a propagated form.
        target: A key of `targets.TARGETS`. Where its code runs neither here nor under emulation, a library for this machine is
            compared instead.
        entries: The functions that are wanted.
        inputs: Real ones, raw `[N, *shape]`, to compare on.

    Raises:
        ExportError: An operator has no kernel, or a function of the library answers otherwise.
    """
    plan = plan_of(program)
    made = build(plan, target, entries)
    with torch.no_grad():
        expected = program.module(torch.from_numpy(np.ascontiguousarray(inputs, np.float32)))
    right = Outputs(*(each.numpy() for each in expected))
    ran, device, opened = made, HERE, open_library
    if target == emulation.TARGET and target not in runnable() and not emulation.missing():
        device, opened = emulation.DEVICE, emulation.EmulatedSession
    elif target not in runnable():
        ran = build(plan, best(), entries)
    each_alone = [
        opened(plan, replace(ran, entries=(entry,))) for entry in ran.entries
    ]  # so that every function answers
    engine = f"the native library for {ran.target}"
    difference = max(check_same(program, engine, right, session.run(inputs)) for session in each_alone)
    return Lowered(plan, made, Compared(target, ran.target, device, difference))
