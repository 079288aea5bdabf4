"""From a plan to a compiled function. No PyTorch is needed."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tvm
from tvm import tirx

from bitsback.errors import ExportError
from bitsback.lower.build.native import pointwise, positions
from bitsback.lower.build.native.code import Code
from bitsback.lower.build.native.interruption import after_this
from bitsback.lower.build.native.linking import link
from bitsback.lower.build.native.member_product import member_product
from bitsback.lower.build.native.outputs import Answers, Points, classify, regress
from bitsback.lower.build.native.product import product
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.packing import Arrangement, arrange
from bitsback.lower.run.native.plan import Average, Largest, Plan, Product, Rectify, Step, Sum

_TVM: dict[str, dict[str, Any]] = {
    "x86-64": {"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": "x86-64"},
    "x86-64-v3": {"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": "x86-64-v3"},
    "x86-64-v4": {"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": "x86-64-v4"},
    "aarch64": {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "generic", "mattr": ["+neon"]},
}


def function(plan: Plan, arrangement: Arrangement, name: str) -> Any:
    """A plan for one batch size as TVM's function.

    It takes input, constants, scratch, mean, total, data and knowledge: flat buffers of float32, constants and scratch at
    addresses that are multiples of 64. The scratch buffer is zeros at first, and the function's own from then on.

    Args:
        plan: What to compute.
        arrangement: Where everything lies.
        name: The function's.
    """
    batch = arrangement.places[0].batch
    code, last = Code(), arrangement.last
    inputs = buffer("input", batch * math.prod(plan.input_shape), 4)
    answers = Answers(*(buffer(each, batch * (plan.outputs if each == "mean" else 1), 4) for each in Answers._fields))
    constants, scratch = (
        buffer("constants", len(arrangement.constants), 64),
        buffer("scratch", arrangement.scratch, 64),
    )
    pointwise.standardize(code, (inputs, constants, scratch), arrangement.places[0], arrangement.standard)
    _steps(code, (constants, scratch), arrangement)
    if plan.task == "regression":
        regress(code, (constants, scratch, answers), last, (arrangement.targets, plan.members))
    else:
        points = Points(arrangement.table, len(plan.points), arrangement.room, arrangement.correlation, plan.width)
        if arrangement.correlation is not None:
            product(code, arrangement.correlation.layer, constants, scratch)
        classify(code, (constants, scratch, answers), last, points)
    return code.function(name, [inputs, constants, scratch, *answers])


def _steps(code: Code, buffers: tuple[Any, Any], arrangement: Arrangement) -> None:
    """Every step: where members are computed in parts, what they have in common first, and then the rest for each part."""
    plan = arrangement.part
    steps = [*enumerate(plan.steps)]
    if arrangement.parts == 1:
        _computed(code, buffers, steps, (arrangement, 0))
        return
    own = next(index for index, step in steps if plan.stacked[step.target])
    _computed(code, buffers, steps[:own], (arrangement, 0))

    def part(index: Any) -> None:
        _computed(code, buffers, steps[own:], (arrangement, index))
        pointwise.gather(code, buffers[1], (arrangement.places[-1], arrangement.last), (index, plan.outputs))

    code.loop(arrangement.parts, part, "part")


def _computed(
    code: Code, buffers: tuple[Any, Any], steps: Sequence[tuple[int, Step]], of: tuple[Arrangement, Any]
) -> None:
    arrangement, part = of
    for index, step in steps:
        if isinstance(step, MemberProduct):
            member_product(code, arrangement.member_layers[index], buffers, part)
        else:
            _step(code, buffers, step, (arrangement, index))


def _step(code: Code, buffers: tuple[Any, Any], step: Step, of: tuple[Arrangement, int]) -> None:
    arrangement, index = of
    constants, scratch = buffers
    at = arrangement.places
    match step:
        case Product():
            product(code, arrangement.layers[index], constants, scratch)
        case Rectify():
            shared = at[step.target].common is not None
            (positions if shared else pointwise).rectify(code, scratch, at[step.source], at[step.target])
        case Largest():
            pointwise.largest(code, scratch, at[step.source], at[step.target], (step.size, step.stride))
        case Average():
            pointwise.average(code, scratch, at[step.source], at[step.target], step.factor)
        case Sum():
            pointwise.add(code, scratch, (at[step.first.source], at[step.second.source], at[step.target]), step)
    if at[step.target].common is not None:
        positions.carry(code, buffers, step, of)


def build(plan: Plan, target: str, entries: Sequence[Entry]) -> Library:
    """Compile a plan.

    Args:
        plan: What to compute.
        target: A key of `targets.TARGETS`.
        entries: The functions that are wanted.

    Raises:
        ExportError: There is no such target, or no linker for it.
    """
    ordered = tuple(sorted(entries, key=lambda entry: -entry.batch))
    functions = {
        each.name: function(plan, arrange(plan, each.batch, each.tiles, each.together), each.name) for each in ordered
    }
    return Library(target, linked(functions, target), ordered)


def linked(functions: Mapping[str, Any], target: str) -> bytes:
    """A shared library of functions.

    Args:
        functions: TVM's, by name.
        target: A key of `targets.TARGETS`.

    Raises:
        ExportError: There is no such target, or no linker for it.
    """
    if target not in _TVM:
        raise ExportError(f"there is no target {target!r}; there are {', '.join(_TVM)}")
    with after_this():
        compiled: Any = tvm.compile(tvm.IRModule(dict(functions)), tvm.target.Target(_TVM[target]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.so"
        compiled.export_library(str(path), fcompile=lambda output, objects: link(target, Path(output), objects))
        return path.read_bytes()


def buffer(name: str, size: int, alignment: int) -> Any:
    """So many numbers of float32, at an address that is a multiple of `alignment`."""
    return tirx.decl_buffer((size,), "float32", name=name, data_alignment=alignment)
