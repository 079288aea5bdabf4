"""What an artifact says about itself: signature, labels, abstain rule, measurements, recipe, where each tensor is.

Plain data. A manifest checks itself when it is made, so that nothing is written that would be refused when read.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bitsback import __version__
from bitsback.artifact.tensors import StoredTensor
from bitsback.errors import ArtifactError
from bitsback.strict_json import Fields, parse

FORMAT = 2
TASKS = ("classification", "regression")
SCORES = ("total", "knowledge")


@dataclass(frozen=True)
class Input:
    """The program's one input, without the batch axis, in raw units (normalization is inside the program).

    Attributes:
        shape: for images (channels, height, width), for features (count,).
        name: what the graph calls it.
        dtype: of its elements.
        white: a white pixel's value in raw units (255 for MNIST, 16 for the digits); image files are scaled to it.
    """

    shape: tuple[int, ...]
    name: str = "input"
    dtype: str = "float32"
    white: float = 255.0

    def __post_init__(self) -> None:
        _require(0 < len(self.shape) <= 8 and all(0 < axis < 2**24 for axis in self.shape), "input.shape", self.shape)
        _require(self.name == "input", "input.name", self.name)
        _require(self.dtype == "float32", "input.dtype", self.dtype)
        _require(math.isfinite(self.white) and self.white > 0, "input.white", self.white)


@dataclass(frozen=True)
class Normalization:
    """What the program does to its input, or what was done to a regression's targets: (x - mean) / std. Informative.

    Attributes:
        mean: one a channel, a feature or a target, in raw units.
        std: the same.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        _require(len(self.mean) == len(self.std) > 0, "normalization", f"{len(self.mean)} means, {len(self.std)} stds")
        _require(all(each > 0 for each in self.std), "normalization.std", min(self.std))


@dataclass(frozen=True)
class AbstainRule:
    """The answer is declined where `score` is above `threshold`.

    Attributes:
        score: `total` or `knowledge`.
        threshold: in the score's unit.
        error_rate: the tolerated share of wrong answers among those given.
        confidence: with which that was promised when the threshold was chosen.
        tolerance: regression only: an answer is wrong if any target is off by more, in target units; None where nothing
            is said of it. It is left out of the JSON then.
    """

    score: str
    threshold: float
    error_rate: float
    confidence: float
    tolerance: float | None = None

    def __post_init__(self) -> None:
        _require(self.score in SCORES, "abstain.score", self.score)
        _require(math.isfinite(self.threshold), "abstain.threshold", self.threshold)
        _require(0 <= self.error_rate < math.inf, "abstain.error_rate", self.error_rate)
        _require(0 < self.confidence < 1, "abstain.confidence", self.confidence)
        tolerated = self.tolerance is None or 0 < self.tolerance < math.inf
        _require(tolerated, "abstain.tolerance", self.tolerance)


@dataclass(frozen=True)
class Manifest:
    """The whole of it.

    Attributes:
        task: `classification` or `regression`.
        form: what predicts: `point`, `ensemble`, …
        members: how many weight samples the program holds, or points of its outputs it looks at; 1 for a point.
        input: the program's input.
        outputs: the width of `mean`: classes, or targets.
        labels: the classes' names in the order of `mean`; () for regression.
        normalization: of the input, None where there is none.
        target_normalization: of a regression's targets, None where there is none.
        abstain: when to decline, None for never.
        measurements: rows of the journal about this very program: at least `what`, `value` and `unit` each.
        recipe: the run that made it, as JSON values.
        bitsback: the version that wrote it.
        plan: what its native libraries compute, as JSON values (`lower.run.native.record`); None where it has none.
        libraries: of each library its target and entries, as JSON values.
        mapped: the names of tensors that may be larger than memory: the members' of an ensemble whose program is given one
            member after the other. They are stored densely, and a reader maps the file.
        tensors: the index of the weights section; `container.write` fills it.
    """

    task: str
    form: str
    input: Input
    outputs: int
    members: int = 1
    labels: tuple[str, ...] = ()
    normalization: Normalization | None = None
    target_normalization: Normalization | None = None
    abstain: AbstainRule | None = None
    measurements: tuple[Mapping[str, Any], ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    bitsback: str = __version__
    plan: Mapping[str, Any] | None = None
    libraries: tuple[Mapping[str, Any], ...] = ()
    mapped: tuple[str, ...] = ()
    tensors: tuple[StoredTensor, ...] = ()

    def __post_init__(self) -> None:
        _require(self.task in TASKS, "task", self.task)
        _require(bool(self.form), "form", self.form)
        _require(0 < self.members < 2**24, "members", self.members)
        _require(0 < self.outputs < 2**24, "outputs", self.outputs)
        expected = self.outputs if self.task == "classification" else 0
        _require(len(self.labels) == expected, "labels", f"{len(self.labels)} for {self.outputs} outputs")
        _require(not self.mapped or self.form == "ensemble", "mapped", f"{self.mapped[:2]} of a {self.form}")
        tolerance = None if self.abstain is None else self.abstain.tolerance
        _require(tolerance is None or self.task == "regression", "abstain.tolerance", f"{tolerance} in a {self.task}")
        targets = self.targets
        _require(
            (self.plan is None) == (not targets),
            "libraries",
            f"{len(targets)} {'without' if self.plan is None else 'with'} a plan",
        )
        _require(len({*targets}) == len(targets), "libraries", targets)

    @property
    def targets(self) -> tuple[str, ...]:
        """What its libraries are for."""
        return tuple(each["target"] for each in self.libraries)

    def to_json(self) -> bytes:
        """The manifest as UTF-8 JSON: keys sorted, no spaces, the same bytes for the same manifest.

        Raises:
            ArtifactError: the recipe or a measurement holds what JSON cannot.
        """
        content = {"format": FORMAT, **asdict(self)}
        if self.abstain is not None and self.abstain.tolerance is None:
            del content["abstain"]["tolerance"]
        if self.plan is None:
            del content["plan"], content["libraries"]
        if not self.mapped:
            del content["mapped"]
        try:
            text = json.dumps(content, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            data = text.encode()
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"the manifest cannot be written as JSON: {error}") from error
        return data

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """The manifest that `to_json` wrote.

        Raises:
            ArtifactError: it is not JSON, lacks a key, has an unknown one, or a value has the wrong type or range.
        """
        fields = Fields(parse(data, "the manifest"), "the manifest")
        _require(fields.of("format", int) == FORMAT, "format", fields.of("format", int))
        native = "plan" in fields.found
        found = cls(
            task=fields.of("task", str),
            form=fields.of("form", str),
            input=_input(_inner(fields, "input")),
            outputs=fields.of("outputs", int),
            members=fields.of("members", int),
            labels=fields.each("labels", str),
            normalization=_optional(fields, "normalization", _normalization),
            target_normalization=_optional(fields, "target_normalization", _normalization),
            abstain=_optional(fields, "abstain", _abstain),
            measurements=tuple(_measurement(each) for each in fields.objects("measurements")),
            recipe=fields.of("recipe", dict),
            bitsback=fields.of("bitsback", str),
            plan=fields.of("plan", dict) if native else None,
            libraries=tuple(_library(each) for each in fields.objects("libraries")) if native else (),
            mapped=fields.each("mapped", str) if "mapped" in fields.found else (),
            tensors=tuple(_tensor(each) for each in fields.objects("tensors")),
        )
        fields.close()
        return found


def _require(holds: bool, what: str, value: object) -> None:
    if not holds:
        raise ArtifactError(f"the manifest's {what} cannot be {str(value)[:80]!r}")


def _inner(fields: Fields, key: str) -> Fields:
    return Fields(fields.of(key, dict), f"{fields.where}'s {key}")


def _optional(fields: Fields, key: str, read: Any) -> Any:
    return None if fields.absent(key) else read(_inner(fields, key))


def _input(fields: Fields) -> Input:
    found = Input(
        shape=fields.each("shape", int),
        name=fields.of("name", str),
        dtype=fields.of("dtype", str),
        white=fields.number("white"),
    )
    fields.close()
    return found


def _normalization(fields: Fields) -> Normalization:
    found = Normalization(mean=fields.numbers("mean"), std=fields.numbers("std"))
    fields.close()
    return found


def _abstain(fields: Fields) -> AbstainRule:
    found = AbstainRule(
        score=fields.of("score", str),
        threshold=fields.number("threshold"),
        error_rate=fields.number("error_rate"),
        confidence=fields.number("confidence"),
        tolerance=fields.number("tolerance") if "tolerance" in fields.found else None,
    )
    fields.close()
    return found


def _measurement(fields: Fields) -> dict[str, Any]:
    """A row: its what, value and unit are checked, the rest (of, spread, device, …) is for readers."""
    fields.of("what", str)
    fields.of("unit", str)
    if not fields.absent("value"):
        fields.number("value")
    return dict(fields.found)


def _library(fields: Fields) -> dict[str, Any]:
    """A library: its target and for which batches it is are checked, the rest is for who runs it."""
    fields.of("target", str)
    for each in fields.objects("entries"):
        each.of("batch", int)
    return dict(fields.found)


def _tensor(fields: Fields) -> StoredTensor:
    found = StoredTensor(
        name=fields.of("name", str),
        dtype=fields.of("dtype", str),
        shape=fields.each("shape", int),
        encoding=fields.of("encoding", str),
        offset=fields.of("offset", int),
        size=fields.of("size", int),
    )
    fields.close()
    return found
