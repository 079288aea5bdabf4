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


def robustness(made: Made, data: Dataset, asked: Evaluate) -> Iterator[list[Measurement]]:
    """Accuracy (or errors) and likelihood under noise, FGSM and PGD of every asked-for level.

    Args:
        made: What is misled, by its own gradient, and then asked.
        data: The first test inputs are perturbed, within the range of the training inputs.
        asked: Levels, how many inputs, and PGD's steps.

    Yields:
        For level 0, where the same inputs stand as they are and every curve begins, and for each level asked for: rows with
        `perturbation`, `level` and how many `samples` they are of.
    """
    predictor, program = made.predictor(), made.variant.program()
    targets = data.test.targets[: asked.perturbed]
    for level in (0.0, *asked.levels):
        rows: list[Measurement] = []
        for perturbation, inputs in _perturbed(program, data, asked, level):
            of = {**made.of, "split": "test", "perturbation": perturbation, "level": level, "samples": len(targets)}
            measured = quality.measurements(predictor.predict(inputs), targets, task=data.task, of=of)
            rows += [row for row in measured if row.what in _KEPT]
        yield rows


def _perturbed(program: Program, data: Dataset, asked: Evaluate, level: float) -> Iterator[tuple[str, np.ndarray]]:
    inputs, targets = data.test.inputs[: asked.perturbed], data.test.targets[: asked.perturbed]
    if level == 0:
        yield from ((perturbation, inputs) for perturbation in ("noise", "fgsm", "pgd"))
        return
    bounds = Bounds(float(data.train.inputs.min()), float(data.train.inputs.max()))
    yield "noise", noisy(program, inputs, level, bounds=bounds, seed=0)
    yield "fgsm", fgsm(program, inputs, targets, level, bounds=bounds)
    yield "pgd", pgd(program, inputs, targets, level, bounds=bounds, steps=asked.pgd_steps)
