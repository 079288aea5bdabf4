"""The native libraries in an artifact: put there by the host, and opened on a device where its user allows it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bitsback.artifact.container import NATIVE, Artifact, code_name
from bitsback.errors import ArtifactError
from bitsback.lower.run.native.library import Library, NativeSession, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.record import library_from, library_record, plan_from, plan_record
from bitsback.lower.run.native.targets import runnable


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
    manifest = replace(artifact.manifest, plan=content, libraries=said)
    return replace(artifact, manifest=manifest, native={**tensors, **codes})


def open_native(artifact: Artifact) -> tuple[NativeSession, str]:
    """The best library that runs here, ready to run, and its target.

    Args:
        artifact: Trusted: machine code in it is loaded.

    Raises:
        ArtifactError: There is none for this machine, it does not fit the manifest, or it cannot be loaded.
        MissingExtraError: tvm-ffi is not installed.
    """
    content = _best(artifact)
    codes = {_code(target) for target in artifact.manifest.targets}
    plan = plan_from(
        artifact.manifest.plan, {name: each for name, each in artifact.native.items() if name not in codes}
    )
    _check_same(artifact, plan)
    library = library_from(content, artifact.native[_code(content["target"])], plan)
    return open_library(plan, library), library.target


def _best(artifact: Artifact) -> Mapping[str, Any]:
    there = {each["target"]: each for each in artifact.manifest.libraries}
    if not there:
        raise ArtifactError("it holds no native library; `bitsback pack RUN --library TARGET` puts one in")
    here = runnable()
    found = next((there[target] for target in here if target in there), None)
    if found is None:
        runs = f", which runs {', '.join(here)}" if here else ""
        raise ArtifactError(
            f"it holds native libraries for {', '.join(there):.200}, and this machine is {platform.machine()}{runs}"
        )
    return found


def _check_same(artifact: Artifact, plan: Plan) -> None:
    manifest = artifact.manifest
    own, others = (manifest.task, manifest.input.shape, manifest.outputs), (plan.task, plan.input_shape, plan.outputs)
    if own != others:
        raise ArtifactError(f"its program does {own}, and the plan of its native libraries does {others}")


def _code(target: str) -> str:
    return code_name(target).removeprefix(NATIVE)
