"""The native libraries in an artifact: put there by the host, and opened on a device where its user allows it."""

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bitsback.artifact.container import NATIVE, Artifact, code_name
from bitsback.errors import ArtifactError, RecipeError
from bitsback.lower.run.native.library import Library, NativeSession, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.record import library_from, library_record, plan_from, plan_record
from bitsback.lower.run.native.targets import runnable
from bitsback.strict_json import Fields

_BORROWED = "borrowed"
"""The key of a plan for those of its tensors that the program has too, and that are stored once."""
_AXES = (
    4  # of the weights of a layer: outputs, rows, columns and channels, and before them members where there are some
)


def with_libraries(artifact: Artifact, plan: Plan, libraries: Sequence[Library]) -> Artifact:
    """The artifact with native libraries beside its program.

    Args:
        artifact: One without.
        plan: What they compute: the same as its program.
        libraries: One for each target.

    Raises:
        ArtifactError: The plan is not the program's, or cannot be stored.
    """
    content, tensors = plan_record(plan)
    _check_same(artifact, plan)
    said = tuple(library_record(each, plan) for each in libraries)
    codes = {_code(each.target): np.frombuffer(each.code, np.uint8) for each in libraries}
    borrowed = {
        name: found for name, each in tensors.items() if (found := _borrowed(artifact.weights, each)) is not None
    }
    own = {name: each for name, each in tensors.items() if name not in borrowed}
    manifest = replace(artifact.manifest, plan={**content, _BORROWED: borrowed}, libraries=said)
    return replace(artifact, manifest=manifest, native={**own, **codes})


def with_library(artifact: Artifact, library: Library) -> Artifact:
    """The artifact with another library in the place of the one for the same target.

    Args:
        artifact: One with such a library, of the same plan.
        library: The new one.

    Raises:
        ArtifactError: The artifact's plan cannot be read.
    """
    content = library_record(library, _plan(artifact))
    said = tuple(content if each["target"] == library.target else each for each in artifact.manifest.libraries)
    native = {**artifact.native, _code(library.target): np.frombuffer(library.code, np.uint8)}
    return replace(artifact, manifest=replace(artifact.manifest, libraries=said), native=native)


def library_for(artifact: Artifact, targets: Sequence[str], device: str) -> tuple[Plan, Library]:
    """The plan of an artifact's libraries, and the best of them for a device.

    Args:
        artifact: Where it is looked for.
        targets: What the device runs, the best first.
        device: What it is, for an error.

    Raises:
        ArtifactError: There is none, or it does not fit the manifest.
    """
    there = {each["target"]: each for each in artifact.manifest.libraries}
    if not there:
        raise ArtifactError("it holds no native library; `bitsback pack RUN --library TARGET` puts one in")
    content = next((there[target] for target in targets if target in there), None)
    if content is None:
        runs = f", which runs {', '.join(targets)}" if targets else ""
        raise ArtifactError(f"it holds native libraries for {', '.join(there):.200}, and {device}{runs}")
    plan = _plan(artifact)
    return plan, library_from(content, artifact.native[_code(content["target"])], plan)


def check_threads(threads: int) -> None:
    """Refuse what a native library cannot use.

    Raises:
        RecipeError: More than one thread is asked for.
    """
    if threads != 1:
        raise RecipeError(f"threads is {threads}; a native library uses 1")


def open_native(artifact: Artifact) -> tuple[NativeSession, str]:
    """The best library that runs here, ready to run, and its target.

    Args:
        artifact: Trusted: machine code in it is loaded.

    Raises:
        ArtifactError: There is none for this machine, it does not fit the manifest, or it cannot be loaded.
        MissingExtraError: tvm-ffi is not installed.
    """
    plan, library = library_for(artifact, runnable(), f"this machine is {platform.machine()}")
    return open_library(plan, library), library.target


def _plan(artifact: Artifact) -> Plan:
    codes = {_code(target) for target in artifact.manifest.targets}
    content = dict(artifact.manifest.plan or {})
    fields = Fields(content.pop(_BORROWED, None), "what the plan borrows")
    tensors = {name: each for name, each in artifact.native.items() if name not in codes}
    twice = next(iter(tensors.keys() & fields.found.keys()), None)
    if twice is not None:
        raise ArtifactError(f"{fields.where} has {twice!r:.80}, which the plan has too")
    if len(fields.found) > len(artifact.weights):
        raise ArtifactError(
            f"{fields.where} are {len(fields.found)} tensors, and the program has {len(artifact.weights)}"
        )
    tensors |= {name: _lent(artifact.weights, fields, name) for name in fields.found}
    plan = plan_from(content, tensors)
    _check_same(artifact, plan)
    return plan


def _borrowed(weights: Mapping[str, np.ndarray], tensor: np.ndarray) -> dict[str, Any] | None:
    """Which of the program's tensors a tensor of the plan is, channels last in place of channels first; None if it is none."""
    if tensor.ndim < _AXES:
        return None
    first = np.moveaxis(tensor, -1, -3)
    for name, each in weights.items():
        outer = tensor.ndim - 3  # members, if there are some, and outputs
        alike = each.dtype == tensor.dtype and each.size == tensor.size and each.shape[:outer] == tensor.shape[:outer]
        if alike and np.array_equal(each.reshape(first.shape), first):
            return {"tensor": name, "shape": list(first.shape)}
    return None


def _lent(weights: Mapping[str, np.ndarray], borrowed: Fields, name: str) -> np.ndarray:
    """A tensor of the program as the plan has it.

    Raises:
        ArtifactError: the program has no such tensor of that size.
    """
    fields = Fields(borrowed.of(name, dict), f"what the plan borrows as {name!r:.80}")
    lender, shape = fields.of("tensor", str), fields.each("shape", int)
    fields.close()
    if (
        lender not in weights
        or len(shape) not in {_AXES, _AXES + 1}
        or min(shape) < 1
        or math.prod(shape) != weights[lender].size
    ):
        raise ArtifactError(f"{fields.where} is no tensor of the program that has the shape {str(shape)[:80]}")
    return np.ascontiguousarray(np.moveaxis(weights[lender].reshape(shape), -3, -1))


def _check_same(artifact: Artifact, plan: Plan) -> None:
    manifest = artifact.manifest
    own, others = (manifest.task, manifest.input.shape, manifest.outputs), (plan.task, plan.input_shape, plan.outputs)
    if own != others:
        raise ArtifactError(f"its program does {own}, and the plan of its native libraries does {others}")


def _code(target: str) -> str:
    return code_name(target).removeprefix(NATIVE)
