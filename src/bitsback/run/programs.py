"""Every form of a run as a program in a file, made once: what is evaluated is what is measured is what ships."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.artifact import manifest as described
from bitsback.artifact.container import Artifact, read, write
from bitsback.artifact.manifest import Input, Manifest
from bitsback.errors import ArtifactError, DataError, NetworkError, RunError
from bitsback.form.contract import Form
from bitsback.form.program import Program
from bitsback.given.dataset import Dataset, Normalization
from bitsback.lower.build.onnx import lower
from bitsback.lower.run.onnx import open_program
from bitsback.measure.journal import Measurement, Scalar, latest
from bitsback.recipe.inference import Imported
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import tables
from bitsback.run.fitted import FittedNetwork
from bitsback.run.folder import RunFolder
from bitsback.runtime.predictor import Predictor

_CHECKED = 64  # inputs that PyTorch and an engine are compared on
_WHITES = (1.0, 16.0, 255.0)
_SAID = ("what", "value", "unit", "of", "repeats", "spread", "device", "seed", "commit", "time")


@dataclass(frozen=True)
class Variant:
    """A stage in a form.

    Attributes:
        stage: "dense" or "compressed".
        form: The form with its settings.
        fitted: What the program is made of.
    """

    stage: str
    form: Form
    fitted: FittedNetwork

    @property
    def settings(self) -> dict[str, Any]:
        """Those of its form."""
        return dict(self.form.settings)

    def program(self) -> Program:
        """The program in PyTorch."""
        return self.fitted.program(self.form)

    def of(self, digest: str) -> dict[str, Scalar]:
        """What the journal says of its rows."""
        said: dict[str, Scalar] = {"stage": self.stage, "form": self.form.name, "program": digest, **self.form.said}
        return said | ({"sparsity": self.fitted.sparsity} if self.stage == "compressed" else {})


@dataclass(frozen=True)
class Made:
    """A variant with its program, ready to ship.

    Attributes:
        variant: What it is.
        digest: Names the program: another posterior, form, number of members or seed has another.
        artifact: The program with a manifest that still lacks abstention, measurements and recipe.
        path: The file that holds it.
    """

    variant: Variant
    digest: str
    artifact: Artifact
    path: Path

    def predictor(self) -> Predictor:
        """The program under ONNX Runtime, one thread."""
        return opened(self.artifact)

    @property
    def of(self) -> dict[str, Scalar]:
        """What the journal says of its rows."""
        return self.variant.of(self.digest)


def make(run: RunFolder, variant: Variant, data: Dataset) -> Made:
    """Lower a variant to a program in the run folder, or find it there.

    Raises:
        ExportError: It cannot be exported, or answers otherwise than PyTorch.
        RunError: The folder cannot be written.
    """
    digest = run.digest(variant.stage, variant.form.name, variant.settings)
    path = _path(run, variant)
    found = _found(path, digest)
    if found is None:
        found = artifact(variant.program(), data, {"program": digest})
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(f"{path.parent} cannot be made: {error.strerror or error}") from error
        write(path, found)
    return Made(variant, digest, found, path)


def opened(found: Artifact) -> Predictor:
    """An artifact that is not in a file, ready to predict; what it draws is the same whenever it is opened."""
    return Predictor(found.manifest, open_program(found.program, found.weights, seed=0, mapped=found.manifest.mapped))


def figures_of(rows: Iterable[Measurement]) -> tuple[dict[str, Any], ...]:
    """The newest figures among rows of the journal as a manifest has them: no series, no versions."""
    figures = [asdict(row) for row in latest(rows, by_device=True) if row.series is None]
    return tuple({key: value for key, value in figure.items() if key in _SAID} for figure in figures)


def made_before(run: RunFolder, variant: Variant) -> bool:
    """Whether the run folder has a program of this stage and form."""
    return _path(run, variant).exists()


def artifact(program: Program, data: Dataset, recipe: dict[str, Any]) -> Artifact:
    """A program as an artifact: lowered, compared with PyTorch, and described.

    Args:
        program: Any form.
        data: What it was fitted on: labels, normalization, and real inputs to compare on.
        recipe: What the manifest says of how it was made, besides the temperature.

    Raises:
        ExportError: It cannot be exported, or answers otherwise than PyTorch.
    """
    lowered = lower(program, inputs_to_compare(data))
    manifest = Manifest(
        task=data.task,
        form=program.form,
        input=Input(tuple(data.input_shape), white=_white(data.train.inputs)),
        outputs=data.outputs,
        members=program.members,
        labels=data.labels,
        normalization=_described(data.normalization),
        target_normalization=_described(data.target_normalization) if data.target_normalization else None,
        recipe={"temperature": program.temperature, **recipe},
        mapped=tuple(program.swapped),
    )
    return Artifact(manifest, lowered.graph, lowered.weights)


def inputs_to_compare(data: Dataset) -> np.ndarray:
    """Real inputs, raw, on which an engine must answer what PyTorch answers."""
    split = data.validation if len(data.validation.inputs) else data.train
    return split.inputs[:_CHECKED]


def described_again(found: Artifact, **changes: Any) -> Artifact:
    """The same program with other words about it."""
    return replace(found, manifest=replace(found.manifest, **changes))


def recipe_in(recipe: Recipe, digest: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of how its program was made: without the folders of this machine, which are nobody else's.

    Args:
        recipe: The run's.
        digest: Names the program.
        settings: Of its form.
    """
    recipe = replace(
        recipe,
        data=replace(recipe.data, name=_name(recipe.data.name), folder=None),
        network=replace(recipe.network, name=Path(recipe.network.name).name, weights=_name(recipe.network.weights)),
        compress=replace(recipe.compress, masks=_name(recipe.compress.masks)),
        form=replace(recipe.form, rules=_name(recipe.form.rules)),
    )
    if isinstance(recipe.inference, Imported):
        recipe = replace(recipe, inference=replace(recipe.inference, posterior=_name(recipe.inference.posterior)))
    return {"program": digest, "settings": dict(settings), **tables(recipe)}


def _name(path: str | None) -> str | None:
    return None if path is None else Path(path).name


def check_program(program: Program, data: Dataset) -> None:
    """Refuse data that a program was not fitted on: its classes, and what is held out of training, would be others.

    Raises:
        NetworkError: It takes other inputs, does something else, or standardizes by other training samples.
    """
    if (program.units.task, program.input_shape) != (data.task, data.input_shape):
        raise NetworkError(
            f"the program does {program.units.task} of inputs of shape {program.input_shape}, and '{data.name}' is for "
            f"{data.task} of inputs of shape {data.input_shape}; give the data that it was fitted on"
        )
    if (program.units.inputs, program.units.targets) != (data.normalization, data.target_normalization):
        raise NetworkError(
            f"the program was fitted on other training samples than those of this '{data.name}', whose mean and spread are "
            "others; give the data that it was fitted on, with the same seed and settings"
        )


def check_manifest(manifest: Manifest, data: Dataset) -> None:
    """Refuse data that a packed file is not for; the shape of the inputs is seen where they are answered.

    Raises:
        DataError: It has another number of outputs, or does something else.
    """
    if (manifest.task, manifest.outputs) != (data.task, data.outputs):
        raise DataError(
            f"the file does {manifest.task} with {manifest.outputs} outputs, and '{data.name}' is for {data.task} with "
            f"{data.outputs}"
        )


def _path(run: RunFolder, variant: Variant) -> Path:
    return run.file("programs") / f"{variant.stage}-{variant.form.name}.bitsback"


def _found(path: Path, digest: str) -> Artifact | None:
    """The artifact in a file, if it is the one that is meant."""
    if not path.exists():
        return None
    try:
        found = read(path)
    except ArtifactError:
        return None
    return found if found.manifest.recipe.get("program") == digest else None


def _described(normalization: Normalization) -> described.Normalization:
    return described.Normalization(normalization.mean, normalization.std)


def _white(inputs: np.ndarray) -> float:
    """The raw value of a white pixel: the smallest of the usual ones that no input exceeds."""
    highest = float(inputs.max())
    return next((white for white in _WHITES if highest <= white), highest)
