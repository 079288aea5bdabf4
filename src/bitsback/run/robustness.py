"""Quality while the inputs get worse: perturbed through PyTorch, answered by the program that ships."""

from collections.abc import Iterator

import numpy as np

from bitsback.form.adversary import Bounds, fgsm, noisy, pgd
from bitsback.form.program import Program
from bitsback.given.dataset import Dataset
from bitsback.measure import quality
from bitsback.measure.journal import Measurement
from bitsback.recipe.sections import Evaluate
from bitsback.run.programs import Made

_KEPT = ("accuracy", "mae", "rmse", "nll")


def robustness(made: Made, data: Dataset, asked: Evaluate) -> list[Measurement]:
    """Accuracy (or errors) and likelihood under noise, FGSM and PGD of every asked-for level.

    Args:
        made: What is misled, by its own gradient, and then asked.
        data: The first test inputs are perturbed, within the range of the training inputs.
        asked: Levels, how many inputs, and PGD's steps.

    Returns:
        Rows with `perturbation` and `level`; at level 0 stand the same inputs as they are, where every curve begins.
    """
    if not asked.levels:
        return []
    predictor, program = made.predictor(), made.variant.program()
    targets = data.test.targets[: asked.perturbed]
    rows: list[Measurement] = []
    for perturbation, level, inputs in _perturbed(program, data, asked):
        of = {**made.of, "split": "test", "perturbation": perturbation, "level": level}
        measured = quality.measurements(predictor.predict(inputs), targets, task=data.task, of=of)
        rows += [row for row in measured if row.what in _KEPT]
    return rows


def _perturbed(program: Program, data: Dataset, asked: Evaluate) -> Iterator[tuple[str, float, np.ndarray]]:
    inputs, targets = data.test.inputs[: asked.perturbed], data.test.targets[: asked.perturbed]
    bounds = Bounds(float(data.train.inputs.min()), float(data.train.inputs.max()))
    for perturbation in ("noise", "fgsm", "pgd"):
        yield perturbation, 0.0, inputs
    for level in asked.levels:
        yield "noise", level, noisy(program, inputs, level, bounds=bounds, seed=0)
        yield "fgsm", level, fgsm(program, inputs, targets, level, bounds=bounds)
        yield "pgd", level, pgd(program, inputs, targets, level, bounds=bounds, steps=asked.pgd_steps)
