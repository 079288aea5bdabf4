"""The fourth stage: the program that ships in one file, with its abstain threshold, its figures and its recipe."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from bitsback.artifact.container import write
from bitsback.errors import PromiseError
from bitsback.measure.journal import Measurement
from bitsback.run import abstention
from bitsback.run.abstention import Decision
from bitsback.run.evaluate import shipped, variants
from bitsback.run.folder import RunFolder
from bitsback.run.materials import Materials
from bitsback.run.programs import Made, described_again, figures_of, made_before, make


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        bytes: The size of the file.
        decision: Its abstain threshold, or why it has none.
        measured: How many figures its manifest has.
    """

    bytes: int
    decision: Decision
    measured: int


def pack(run: RunFolder, materials: Materials) -> Packed:
    """Write `model.bitsback`, and `dense.bitsback` beside it as the reference.

    Args:
        run: The folder, with what `fit` and `compress` left in it; what `evaluate` measured goes into the manifest.
        materials: Of its recipe.

    Returns:
        What was packed.

    Raises:
        PromiseError: The recipe asks for a promise that the data cannot give; nothing was written.
        RunError: An earlier stage's result is missing.
        ArtifactError: The file cannot be written; what was there before still is.
    """
    recipe, data = materials.recipe, materials.data
    model = make(run, shipped(run, materials), data)
    decision = abstention.decide(model.predictor(), data, abstention.promise_of(recipe.abstain))
    if recipe.abstain is not None and decision.abstention is None:
        raise PromiseError(f"Nothing was packed, because [abstain] cannot be promised: {decision.reason}")
    reference = make(run, next(each for each in variants(run, materials) if each.form == "point"), data)
    figures = measurements(run, model.digest)
    size = write(
        run.file("model"),
        described_again(
            model.artifact, abstain=decision.rule, measurements=figures, recipe=_recipe(materials, model.digest)
        ),
    )
    dense = write(
        run.file("dense"),
        described_again(
            reference.artifact,
            measurements=measurements(run, reference.digest),
            recipe=_recipe(materials, reference.digest),
        ),
    )
    rows = [_bytes(model, size), _bytes(reference, dense)]
    rows += [_bytes(each, each.path.stat().st_size) for each in _others(run, materials, (model, reference))]
    run.record(rows, recipe.seed)
    return Packed(size, decision, len(figures))


def measurements(run: RunFolder, digest: str) -> tuple[dict[str, Any], ...]:
    """The journal's newest figures of one program, as its manifest has them."""
    rows = [row for row in run.rows() if row.of.get("program") == digest and "perturbation" not in row.of]
    return figures_of(rows)


def _recipe(materials: Materials, digest: str) -> dict[str, Any]:
    """The recipe without the folder of the data, which is nobody else's."""
    recipe = replace(materials.recipe, data=replace(materials.recipe.data, folder=None))
    return {"program": digest, **asdict(recipe)}


def _bytes(made: Made, size: int) -> Measurement:
    return Measurement("file_bytes", size, "bytes", of=made.of)


def _others(run: RunFolder, materials: Materials, packed: tuple[Made, ...]) -> list[Made]:
    """The other programs that `evaluate` made."""
    done = {each.digest for each in packed}
    there = [each for each in variants(run, materials) if made_before(run, each)]
    found = [make(run, variant, materials.data) for variant in there]
    return [each for each in found if each.digest not in done]
