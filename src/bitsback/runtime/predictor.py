"""From an artifact to predictions that say when they do not know, with numpy and ONNX Runtime alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from bitsback.artifact.container import Artifact, read
from bitsback.artifact.manifest import AbstainRule, Manifest
from bitsback.errors import ArtifactError, RecipeError
from bitsback.lower.run.onnx import Outputs, Session, Swapped, open_program
from bitsback.runtime.samples import check_samples
from bitsback.settings import check_among, check_path, check_seed, check_whole

if TYPE_CHECKING:
    from bitsback.lower.run.native.library import NativeSession


class Answer(NamedTuple):
    """One row of a prediction.

    Attributes:
        label: the most probable class; None for regression.
        probability: of that class; None for regression.
        mean: the row of `Prediction.mean`: class probabilities, or target means.
        total: the whole uncertainty.
        data: the part that no more data would remove.
        knowledge: the part that more data would remove.
        abstain: "I don't know": the answer should not be used.
    """

    label: str | None
    probability: float | None
    mean: tuple[float, ...]
    total: float
    data: float
    knowledge: float
    abstain: bool


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a program predicts for N inputs.

    Attributes:
        mean: [N, C] class probabilities, or [N, D] target means.
        total: [N] uncertainty: entropy in nats, or variance in squared target units; total = data + knowledge.
        data: [N] the part that no more data would remove.
        knowledge: [N] the part that more data would remove.
        abstain: [N] bool, where the artifact's rule declines; all False if it has none.
        labels: the C classes' names; () for regression.
    """

    mean: np.ndarray
    total: np.ndarray
    data: np.ndarray
    knowledge: np.ndarray
    abstain: np.ndarray
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.mean)

    def answers(self) -> Iterator[Answer]:
        """Row by row, in plain Python values.

        Yields:
            One answer for each of the N inputs, in order.
        """
        columns = zip(self.mean, self.total, self.data, self.knowledge, self.abstain, strict=True)
        for mean, total, data, knowledge, abstain in columns:
            best = int(mean.argmax()) if self.labels else None
            yield Answer(
                label=None if best is None else self.labels[best],
                probability=None if best is None else float(mean[best]),
                mean=tuple(mean.tolist()),
                total=float(total),
                data=float(data),
                knowledge=float(knowledge),
                abstain=bool(abstain),
            )


class Engine(Protocol):
    """What runs an artifact's program, or a library of it."""

    def run(self, x: np.ndarray) -> Outputs:
        """Answer a batch, raw float32 [N, *shape]."""
        ...


class Predictor:
    """A loaded artifact."""

    def __init__(self, manifest: Manifest, session: Engine) -> None:
        self.manifest = manifest
        self._session = session

    def predict(self, x: np.ndarray, batch: int = 256) -> Prediction:
        """Answer inputs in raw units (pixels as stored, features as measured).

        Args:
            x: [N, *shape] with the manifest's input shape, or one sample of just that shape; any real dtype.
            batch: how many go through the program at a time.

        Raises:
            DataError: the shape is another, or the values are not finite real numbers.
            RecipeError: the batch is no whole number of at least 1.
            ArtifactError: the program fails, or answers in other shapes than the manifest promises.
        """
        check_whole("batch", batch, 1)
        samples = check_samples(x, self.manifest.input.shape)
        parts = [self._run(samples[start : start + batch]) for start in range(0, len(samples), batch)]
        outputs = _join(parts) if parts else _nothing(self.manifest.outputs)
        return Prediction(*outputs, _declined(outputs, self.manifest.abstain), self.manifest.labels)

    def _run(self, samples: np.ndarray) -> Outputs:
        found = self._session.run(samples)
        shapes = [each.shape for each in found]
        expected = [(len(samples), self.manifest.outputs), *[(len(samples),)] * 3]
        if shapes != expected:
            raise ArtifactError(f"the program answers in shapes {shapes}, and the manifest promises {expected}")
        return found


def load(
    path: str | Path,
    threads: int = 1,
    *,
    native: bool = False,
    draw_seed: int | None = None,
    members: int | None = None,
) -> Predictor:
    """Read an artifact and make it ready to predict.

    Args:
        path: the file that `bitsback pack` wrote.
        threads: how many threads one call may use.
        native: run the best of its native libraries for this machine in place of its ONNX program. A library is machine
            code, with all rights of this process: allow it for files that you trust.
        members: how many members of an ensemble of the layout "swapped" are asked, at least 1; all, without a number.
        draw_seed: decides what a program of the stochastic form draws; without one it draws something else in every process.

    Raises:
        ArtifactError: the file is missing, damaged, of another format, its program cannot run, or it is to run natively and
            has no library for this machine.
        MissingExtraError: it is to run natively, and tvm-ffi is not installed.
        RecipeError: an argument is of the wrong kind.
    """
    check_path("path", path)
    check_whole("threads", threads, 1)
    check_among("native", native, (True, False))
    if members is not None:
        check_whole("members", members, 1)
    if draw_seed is not None:
        check_seed(draw_seed)
    artifact = read(path)
    try:
        session = (
            _native(artifact, threads, members, draw_seed)
            if native
            else _program(artifact, threads, members, draw_seed)
        )
    except ArtifactError as error:
        raise ArtifactError(f"{path} cannot be run{' natively' if native else ''}: {error}") from error
    shape = artifact.manifest.input.shape
    if session.input_shape[1:] != shape or isinstance(session.input_shape[0], int):
        taken = list(session.input_shape)
        raise ArtifactError(f"{path} lies: its program takes {taken}, and its manifest says {['any', *shape]}")
    return Predictor(artifact.manifest, session)


def _program(artifact: Artifact, threads: int, members: int | None, seed: int | None) -> Session | Swapped:
    said = artifact.manifest
    if seed is not None and said.form != "stochastic":
        raise RecipeError(f"draw_seed is {seed}, and a program of the {said.form} form draws nothing")
    session = open_program(artifact.program, artifact.weights, threads, seed=seed, mapped=said.mapped, members=members)
    if isinstance(session, Swapped):
        found = session.members.whole, session.has_noise
        if found != (said.members, said.task == "regression"):
            raise ArtifactError(
                f"its program is of {found[0]} members and {'' if found[1] else 'not '}of a regression, and its manifest says "
                f"otherwise: {said.task} by {said.members}"
            )
    return session


def _native(artifact: Artifact, threads: int, members: int | None, seed: int | None) -> "NativeSession":
    from bitsback.runtime.native import check_threads, open_native

    check_threads(threads)
    check_all_asked(members, seed)
    return open_native(artifact)[0]


def check_all_asked(members: int | None, seed: int | None) -> None:
    """Refuse what a native library cannot choose.

    Raises:
        RecipeError: members, or a seed of draws, are asked for.
    """
    if members is not None:
        raise RecipeError(f"members is {members}; a native library, which is compiled for all of them, asks no fewer")
    if seed is not None:
        raise RecipeError(f"draw_seed is {seed}, and a native library draws nothing")


def _declined(outputs: Outputs, rule: AbstainRule | None) -> np.ndarray:
    """[N] bool; a score that is not a number declines too."""
    if rule is None:
        return np.zeros(len(outputs.mean), bool)
    score = outputs.total if rule.score == "total" else outputs.knowledge
    return ~(score <= rule.threshold)


def _join(parts: list[Outputs]) -> Outputs:
    return Outputs(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _nothing(outputs: int) -> Outputs:
    empty = np.zeros(0, np.float32)
    return Outputs(np.zeros((0, outputs), np.float32), empty, empty, empty)
