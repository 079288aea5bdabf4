"""The third stage: how good every program of a run is, the one that ships above all, answered under ONNX Runtime."""

from collections.abc import Callable

from bitsback.errors import RunError
from bitsback.measure import quality
from bitsback.measure.journal import Measurement
from bitsback.run import portrait
from bitsback.run.compress import compressed
from bitsback.run.fit import dense
from bitsback.run.folder import RunFolder
from bitsback.run.identity import check_data
from bitsback.run.materials import Materials
from bitsback.run.programs import Made, Variant, make
from bitsback.run.robustness import robustness
from bitsback.run.sweep import sweep


def evaluate(run: RunFolder, materials: Materials, *, tell: Callable[[str], None]) -> list[Measurement]:
    """Measure the quality of every program of the run, and what else the recipe's part `evaluate` asks for.

    Args:
        run: The folder, with what `fit` and `compress` left in it.
        materials: Of its recipe.
        tell: Is told what is being done.

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
    rows: list[Measurement] = []
    for variant in variants(run, materials):
        tell(f"evaluating the {variant.stage} {variant.form}")
        made = make(run, variant, data)
        rows += _quality(made, materials) + _size(made)
        if (variant.stage, variant.form) == ("dense", "point") or is_shipped(variant, materials):
            tell(f"perturbing the inputs of the {variant.stage} {variant.form}")
            rows += robustness(made, data, recipe.evaluate)
    if recipe.evaluate.sparsities:
        tell("sweeping over sparsities")
        rows += sweep(_variant("dense", recipe.predicts, run, materials), data, recipe.evaluate)
    return run.record(rows, recipe.seed)


def variants(run: RunFolder, materials: Materials) -> list[Variant]:
    """Every stage in every form: the point always, the ensemble where there is something to draw."""
    forms = ("point",) if materials.recipe.inference.method == "point" else ("point", "ensemble")
    return [_variant(stage, form, run, materials) for stage in ("dense", "compressed") for form in forms]


def shipped(run: RunFolder, materials: Materials) -> Variant:
    """The variant that is packed."""
    return _variant("compressed", materials.recipe.predicts, run, materials)


def is_shipped(variant: Variant, materials: Materials) -> bool:
    """Whether a variant is the one that is packed."""
    return variant.stage == "compressed" and variant.form == materials.recipe.predicts


def _variant(stage: str, form: str, run: RunFolder, materials: Materials) -> Variant:
    fitted = dense(run, materials) if stage == "dense" else compressed(run, materials)
    members = materials.recipe.form.members if form == "ensemble" else 1
    return Variant(stage, form, members, materials.recipe.seed, fitted)


def _quality(made: Made, materials: Materials) -> list[Measurement]:
    data, predictor = materials.data, made.predictor()
    outside = predictor.predict(data.out_of_distribution) if len(data.out_of_distribution) else None
    of = {**made.of, "split": "test"}
    return quality.measurements(predictor.predict(data.test.inputs), data.test.targets, outside, task=data.task, of=of)


def _size(made: Made) -> list[Measurement]:
    fitted = made.variant.fitted
    return [
        Measurement("parameters", fitted.parameters, "", of=made.of),
        Measurement("kept_parameters", fitted.parameters - fitted.gone, "", of=made.of),
        portrait.layers(made.variant.draws(), fitted.masks, made.of),
    ]
