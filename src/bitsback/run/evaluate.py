"""The third stage: how good every program of a run is, the one that ships above all, answered under ONNX Runtime."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bitsback.errors import RunError
from bitsback.form.contract import Form
from bitsback.measure import quality
from bitsback.measure.journal import Measurement
from bitsback.recipe.text import to_toml
from bitsback.run import forms, portrait
from bitsback.run.compress import compressed
from bitsback.run.fit import dense
from bitsback.run.fitted import FittedNetwork
from bitsback.run.folder import RunFolder
from bitsback.run.identity import check_data
from bitsback.run.materials import Materials
from bitsback.run.programs import Made, Variant, make
from bitsback.run.robustness import robustness
from bitsback.run.sweep import saliencies, sweep
from bitsback.run.watcher import Step, Watcher


@dataclass(frozen=True)
class _Part:
    """What is measured of one thing: in words, in how many steps, and the rows of each step, measured when asked for."""

    words: str
    steps: int
    rows: Iterator[list[Measurement]]


def evaluate(run: RunFolder, materials: Materials, watcher: Watcher) -> list[Measurement]:
    """Measure the quality of every program of the run, and what else the recipe's part `evaluate` asks for.

    The recipe becomes the folder's, so that what is packed next is what was evaluated.

    Every step's rows go into the journal before the next step begins: what a killed evaluation has measured stays.

    Args:
        run: The folder, with what `fit` and `compress` left in it.
        materials: Of its recipe.
        watcher: Is told what is being done.

    Returns:
        The rows, as they are now in the journal.

    Raises:
        RunError: An earlier stage's result is missing, the data are others than those of the fit, or the folder cannot
            be written.
        ExportError: A program cannot be exported, or answers otherwise than PyTorch.
    """
    recipe, data = materials.recipe, materials.data
    if not len(data.test.inputs):
        raise RunError(f"the data set '{data.name}' has no test samples to evaluate on")
    check_data(run, data)
    parts = _parts(run, materials)
    steps, done = sum(part.steps for part in parts), 0
    rows: list[Measurement] = []
    for part in parts:
        watcher.step(Step(part.words, done, steps))
        for found in part.rows:
            rows += run.record(found, recipe.seed)
            done += 1
            watcher.step(Step(part.words, done, steps))
    run.write("recipe", to_toml(recipe))
    return rows


def _parts(run: RunFolder, materials: Materials) -> list[_Part]:
    asked = materials.recipe.evaluate
    parts: list[_Part] = []
    for variant in variants(run, materials):
        perturbed = bool(asked.levels) and (
            (variant.stage, variant.form.name) == ("dense", "point") or is_shipped(variant, materials)
        )
        steps = 1 + (1 + len(asked.levels) if perturbed else 0)
        words = (
            f"evaluating the {variant.stage} {variant.form.name}{', and with perturbed inputs' if perturbed else ''}"
        )
        parts.append(_Part(words, steps, _measured(run, variant, materials, perturbed=perturbed)))
    if asked.sparsities:
        dense_one = _variant("dense", forms.swept(materials), run, materials)
        steps = len(saliencies(dense_one, asked)) * len(set(asked.sparsities))
        parts.append(_Part("sweeping over sparsities", steps, sweep(dense_one, materials.data, asked)))
    return parts


def _measured(
    run: RunFolder, variant: Variant, materials: Materials, *, perturbed: bool
) -> Iterator[list[Measurement]]:
    made = make(run, variant, materials.data)
    yield _quality(made, materials) + _size(made)
    if perturbed:
        yield from robustness(made, materials.data, materials.recipe.evaluate)


def variants(run: RunFolder, materials: Materials) -> list[Variant]:
    """Every stage in every form that is compared."""
    each_form = forms.compared(materials)
    return [_variant(stage, form, run, materials) for stage in ("dense", "compressed") for form in each_form]


def shipped(run: RunFolder, materials: Materials) -> Variant:
    """The variant that is packed."""
    return _variant("compressed", forms.shipped(materials), run, materials)


def is_shipped(variant: Variant, materials: Materials) -> bool:
    """Whether a variant is the one that is packed."""
    return variant.stage == "compressed" and variant.form.name == materials.recipe.predicts


def _variant(stage: str, form: Form, run: RunFolder, materials: Materials) -> Variant:
    return Variant(stage, form, dense(run, materials) if stage == "dense" else compressed(run, materials))


def _quality(made: Made, materials: Materials) -> list[Measurement]:
    data, predictor = materials.data, made.predictor()
    outside = predictor.predict(data.out_of_distribution) if len(data.out_of_distribution) else None
    of = {**made.of, "split": "test"}
    rows = quality.measurements(predictor.predict(data.test.inputs), data.test.targets, outside, task=data.task, of=of)
    named = {**of, "out_of_distribution": data.out_of_distribution_name}
    return [replace(row, of={**row.of, **named}) if row.what == "uncertainty_histogram" else row for row in rows]


def _size(made: Made) -> list[Measurement]:
    fitted = made.variant.fitted
    return [
        Measurement("parameters", fitted.parameters, "", of=made.of),
        Measurement("kept_parameters", fitted.parameters - fitted.gone, "", of=made.of),
        portrait.layers(made.variant.form.held(fitted.posterior), _shapes(fitted), fitted.masks, made.of),
    ]


def _shapes(fitted: FittedNetwork) -> dict[str, list[int]]:
    return {name: list(mean.shape) for name, (mean, _) in fitted.posterior.marginals().items()}
