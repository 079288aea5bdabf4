"""The fourth stage: the program that ships in one file, with its abstain threshold, its figures and its recipe."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bitsback.artifact.container import Artifact, encode, write
from bitsback.errors import PromiseError, RunError
from bitsback.given.dataset import Dataset
from bitsback.lower.build.comparison import Compared
from bitsback.measure.abstain import OF_A_THRESHOLD
from bitsback.measure.journal import Measurement
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import to_toml
from bitsback.run import abstention
from bitsback.run.abstention import Decision
from bitsback.run.evaluate import shipped, variants
from bitsback.run.folder import RunFolder
from bitsback.run.gallery import gallery
from bitsback.run.identity import check_data
from bitsback.run.libraries import NONE, Compiled, Wanted, check_form, compiled, held, lost
from bitsback.run.materials import Materials
from bitsback.run.programs import Made, Variant, described_again, figures_of, made_before, make, opened, recipe_in
from bitsback.run.target import whole_size


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        bytes: The size of the file.
        decision: Its abstain threshold, or why it has none.
        evaluated: Whether its manifest says how good it is: `evaluate` has measured this very program.
        compared: How each of its native libraries was compared with PyTorch.
        lost: Native libraries that the file before had, and that this one lacks or has with fewer functions.
    """

    bytes: int
    decision: Decision
    evaluated: bool
    compared: tuple[Compared, ...] = ()
    lost: tuple[Wanted, ...] = ()


def check(run: RunFolder, recipe: Recipe, libraries: Sequence[Wanted] = ()) -> None:
    """Refuse at once what `pack` would see only after minutes of drawing and tracing.

    Raises:
        RunError: An earlier stage's result is missing.
        ExportError: A library is asked for of a form that has none.
    """
    run.need("posterior", "fit")
    run.need("compressed", "compress")
    check_form(recipe.predicts, libraries, recipe.form.layout)


def pack(run: RunFolder, materials: Materials, libraries: Sequence[Wanted] = ()) -> Packed:
    """Write `model.bitsback`, and `dense.bitsback` beside it as the reference.

    Args:
        run: The folder, with what `fit` and `compress` left in it; what `evaluate` measured goes into the manifest.
        materials: Of its recipe, which becomes the folder's: what is evaluated next is what was packed.
        libraries: Native ones that are to stand beside the programs.

    Returns:
        What was packed.

    Raises:
        PromiseError: The recipe asks for a promise that the data cannot give; nothing was written.
        RunError: An earlier stage's result is missing, the data are others than those of the fit, or the file is larger than
            the size that the recipe asks for; nothing was written.
        ExportError: A library is asked for of what has no native kernel; nothing was written.
        ArtifactError: The file cannot be written; what was there before still is.
    """
    recipe, data = materials.recipe, materials.data
    check_data(run, data)
    ships, before = shipped(run, materials), held(run.file("model"))
    native, model = _made(run, ships, data, libraries)
    decision = abstention.decide(model.predictor(), data, abstention.promise_of(recipe.abstain))
    if recipe.abstain is not None and decision.abstention is None:
        raise PromiseError(f"nothing was packed, because [abstain] cannot be promised: {decision.reason}")
    decided = run.stamped(_decided(model, decision, materials), recipe.seed)
    point = next(each for each in variants(run, materials) if each.form.name == "point")
    _, reference = _made(run, point, data, libraries)
    figures = measurements(run, model.digest, decided)
    kept = _fitting(materials, model, abstain=decision.rule, measurements=figures)
    size = write(run.file("model"), kept)
    described = _described(reference, materials, measurements=measurements(run, reference.digest))
    dense_size = write(run.file("dense"), described)
    run.write("recipe", to_toml(recipe))
    run.append(decided)
    rows = [_bytes(model, size, ships=True), _bytes(reference, dense_size)]
    rows += [_bytes(each, each.path.stat().st_size) for each in _others(run, materials, (model, reference))]
    run.record(rows, recipe.seed)
    evaluated = any(figure["what"] == "nll" for figure in figures)
    return Packed(size, decision, evaluated, native.compared, lost(before, libraries))


def _made(run: RunFolder, variant: Variant, data: Dataset, libraries: Sequence[Wanted]) -> tuple[Compiled, Made]:
    """A program's native libraries, and the program with them."""
    native = compiled(variant.program(), data, libraries) if libraries else NONE
    made = make(run, variant, data)
    return native, replace(made, artifact=native.beside(made.artifact))


def measurements(run: RunFolder, digest: str, decided: Sequence[Measurement] = ()) -> tuple[dict[str, Any], ...]:
    """The journal's newest figures of one program, as its manifest has them.

    Those of native libraries are left out: a row says what program a library computes, and not which library it was, with which
    tiles; the one that is packed now was not timed yet.

    Args:
        run: The folder.
        digest: Names the program.
        decided: Rows about its abstain threshold, in place of those about earlier thresholds.
    """
    rows = [
        row for row in run.rows() if row.of.get("program") == digest and not {"perturbation", "engine"} & row.of.keys()
    ]
    return figures_of([*(row for row in rows if row.what not in OF_A_THRESHOLD), *decided])


def _decided(made: Made, decision: Decision, materials: Materials) -> list[Measurement]:
    """What the threshold that ships does: how often it answers on the test split and declines outside of it, and examples."""
    data = materials.data
    declining = opened(described_again(made.artifact, abstain=decision.rule))
    inside, outside = (
        declining.predict(inputs) if len(inputs) else None for inputs in (data.test.inputs, data.out_of_distribution)
    )
    rows = abstention.rows(decision, inside, outside, data, made.of)
    if inside is None:
        return rows
    shown = gallery(inside, outside, data, made.artifact.manifest.input.white, made.of)
    return [*rows, *([shown] if shown else [])]


def _described(made: Made, materials: Materials, **said: Any) -> Artifact:
    recipe = recipe_in(materials.recipe, made.digest, made.variant.settings)
    return described_again(made.artifact, recipe=recipe, **said)


def _fitting(materials: Materials, made: Made, **said: Any) -> Artifact:
    """The artifact with as many of its figures as a size that is asked for leaves room for; all are in the journal.

    Raises:
        RunError: It is larger without any.
    """
    found, target = _described(made, materials, **said), materials.recipe.compress.target
    if target is None:
        return found
    figures, most = found.manifest.measurements, whole_size(materials.traces.evaluation, target)

    def size(count: int) -> int:
        return len(encode(described_again(found, measurements=figures[:count])))

    kept = bisect_right(range(len(figures) + 1), most, key=size) - 1
    if kept < 0:
        raise RunError(
            f"nothing was packed: the file takes {size(0):,} bytes, and compress.target allows {most:,}; libraries beside the "
            "program count, and what was changed since `bitsback compress`"
        )
    return described_again(found, measurements=figures[:kept])


def _bytes(made: Made, size: int, **of: bool) -> Measurement:
    return Measurement("file_bytes", size, "bytes", of={**made.of, **of})


def _others(run: RunFolder, materials: Materials, packed: tuple[Made, ...]) -> list[Made]:
    """The other programs that `evaluate` made."""
    done = {each.digest for each in packed}
    there = [each for each in variants(run, materials) if made_before(run, each)]
    found = [make(run, variant, materials.data) for variant in there]
    return [each for each in found if each.digest not in done]
