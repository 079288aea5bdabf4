"""The fifth stage: how long one call takes, beside the dense network in the same rounds. No torch is needed."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.artifact.container import Artifact, read
from bitsback.errors import ArtifactError, RunError, reason
from bitsback.lower.run.onnx import open_program
from bitsback.measure.device import Cpu
from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.latency import Candidate, LatencySettings, Pair, latency
from bitsback.recipe.sections import Measure
from bitsback.run.folder import RunFolder


@dataclass(frozen=True)
class Timed:
    """A file to time.

    Attributes:
        path: The file.
        of: What it is, for the journal.
        native: Whether its native library is timed in place of its program; it is trusted then.
    """

    path: Path
    of: dict[str, Scalar]
    native: bool = False


Draw = Callable[[Artifact, int], np.ndarray]
"""Gives the inputs of a call, float32 [batch, *shape], for an artifact and a batch."""


def random_inputs(seed: int) -> Draw:
    """Normal inputs with the data's mean and spread; the time does not depend on the values."""

    def draw(artifact: Artifact, batch: int) -> np.ndarray:
        manifest = artifact.manifest
        inputs = np.random.default_rng(seed).normal(size=(batch, *manifest.input.shape))
        if manifest.normalization is not None:
            shape = (1, -1) + (1,) * (inputs.ndim - 2)
            inputs = inputs * np.reshape(manifest.normalization.std, shape)
            inputs += np.reshape(manifest.normalization.mean, shape)
        return inputs.astype(np.float32)

    return draw


def drawn_from(samples: np.ndarray, seed: int) -> Draw:
    """Samples of a data set, raw [N, *shape], N at least 1: as many as the batch, some twice where there are fewer."""

    def draw(_: Artifact, batch: int) -> np.ndarray:
        chosen = np.random.default_rng(seed).choice(len(samples), batch, replace=batch > len(samples))
        return samples[chosen].astype(np.float32)

    return draw


def timing(run: RunFolder) -> Measure:
    """What the run's recipe says of timing, read without pydantic.

    Raises:
        RunError: The recipe cannot be read.
        RecipeError: A value is out of range.
    """
    try:
        said: dict[str, Any] = tomllib.loads(run.need("recipe", "fit").read_text("utf-8")).get("measure", {})
        return replace(Measure(), **{key: tuple(value) if key == "batches" else value for key, value in said.items()})
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{run.file('recipe')} cannot be read: {reason(error)}") from error


def files(run: RunFolder, *, native: bool = False) -> list[Timed]:
    """The files of a run, the reference first; programs that were packed are timed as packed.

    Args:
        run: The folder.
        native: Whether the native library of the one that ships is timed too.

    Raises:
        RunError: Nothing was packed yet.
    """
    dense, model = run.need("dense", "pack"), run.need("model", "pack")
    _check_fresh(run, model)
    found = {"dense-point": dense, f"compressed-{read(model).manifest.form}": model}
    for path in sorted(run.file("programs").glob("*.bitsback")):
        found.setdefault(path.stem, path)
    timed = [Timed(path, _of(name.partition("-")[0], read(path))) for name, path in found.items()]
    return timed + [replace(each, native=True) for each in timed if native and each.path == model]


def alone(path: Path, reference: Path | None, *, native: bool = False) -> list[Timed]:
    """A file that is of no run, after its reference if it has one, and then its native library if that is timed too."""
    timed = [Timed(each, {"file": str(each)}) for each in (reference, path) if each is not None]
    return [*timed, replace(timed[-1], native=True)] if native else timed


def measure(
    timed: Sequence[Timed],
    settings: Measure,
    *,
    draw: Draw | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Time files in turns.

    Args:
        timed: The first is the reference.
        settings: How.
        draw: Gives the inputs; `random_inputs(0)` when None.
        tell: Is told what is being done.

    Returns:
        `latency` and `latency_ratio` rows.

    Raises:
        ArtifactError: A file is damaged, its program cannot run, or it is to run natively and has no library for this machine,
            or no function for a batch.
        RecipeError: A native library is to use several threads.
    """
    device = Cpu(settings.threads).name
    artifacts = [(read(each.path), each) for each in timed]
    rows: list[Measurement] = []
    for batch in settings.batches:
        tell(f"timing {len(timed)} programs, batch {batch}, on {device}")
        inputs = [(draw or random_inputs(0))(artifact, batch) for artifact, _ in artifacts]
        candidates = [
            _candidate(artifact, one, each, settings.threads)
            for (artifact, one), each in zip(artifacts, inputs, strict=True)
        ]
        how = LatencySettings(settings.warmup, settings.repeats, settings.threads, batch, device)
        rows += latency(candidates[1:], candidates[0], how, pairs=_like_with_like(timed))
    return rows


def _like_with_like(timed: Sequence[Timed]) -> list[Pair]:
    """What is compressed beside the dense network in the same form, where that is not the reference."""
    forms = {each.of["form"]: place for place, each in enumerate(timed) if place and each.of.get("stage") == "dense"}
    return [
        Pair(place, forms[each.of["form"]], f"dense {each.of['form']}")
        for place, each in enumerate(timed)
        if each.of.get("stage") == "compressed" and each.of["form"] in forms
    ]


def _candidate(artifact: Artifact, timed: Timed, inputs: np.ndarray, threads: int) -> Candidate:
    if timed.native:
        return _native(artifact, timed, inputs, threads)
    session = open_program(artifact.program, artifact.weights, threads, mapped=artifact.manifest.mapped)
    return Candidate(session.bound(inputs), timed.of)


def _native(artifact: Artifact, timed: Timed, inputs: np.ndarray, threads: int) -> Candidate:
    from bitsback.measure.native import check_batch
    from bitsback.runtime.native import check_threads, open_native

    check_threads(threads)
    try:
        session, target = open_native(artifact)
        check_batch(target, session.calls, len(inputs))
    except ArtifactError as error:
        raise ArtifactError(f"{timed.path} cannot be run natively: {error}") from error
    call = session.calls[len(inputs)]
    call.input[:] = inputs
    return Candidate(call, {**timed.of, "engine": f"native {target}"})


def _of(stage: str, artifact: Artifact) -> dict[str, Scalar]:
    """What the journal says of the program, as `evaluate` says it."""
    manifest = artifact.manifest
    of: dict[str, Scalar] = {"stage": stage, "form": manifest.form}
    program = manifest.recipe.get("program")
    return of | ({"program": program} if isinstance(program, str) else {})


def _check_fresh(run: RunFolder, model: Path) -> None:
    """Refuse to time a file that is not made of what `compress` left last.

    Raises:
        RunError: It is not.
    """
    manifest = read(model).manifest
    program, settings = manifest.recipe.get("program"), manifest.recipe.get("settings")
    if not run.has("compressed") or not isinstance(settings, dict):
        return
    if program != run.digest("compressed", manifest.form, settings):
        raise RunError(f"{model} was packed before the network was changed; `bitsback pack {run.path}` packs it anew")
