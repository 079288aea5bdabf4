"""Quality against sparsity: the fitted posterior pruned to several sparsities in one shot, in PyTorch, without an export."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bitsback.compress.masks import sweep as pruned_to
from bitsback.form.one_by_one import predict
from bitsback.given.dataset import Dataset
from bitsback.lower.run.onnx import Outputs
from bitsback.measure import quality
from bitsback.measure.journal import Measurement, Scalar
from bitsback.policy.choice import Choice, Policy, Saliency
from bitsback.recipe.sections import Evaluate
from bitsback.run.programs import Variant

_KEPT = ("accuracy", "rmse", "mae", "nll", "ece", "brier", "ood_auroc_total", "ood_auroc_knowledge")


def sweep(dense: Variant, data: Dataset, asked: Evaluate) -> Iterator[list[Measurement]]:
    """The quality of the fitted network at every asked-for sparsity, by every saliency that its posterior allows.

    Args:
        dense: The unpruned network in the form that ships.
        data: The validation split (the test split where there is none) and the out-of-distribution set are answered, the
            first samples of each: a sweep is there to choose by, and nothing is chosen on test data.
        asked: Sparsities, saliencies, and how many samples.

    Yields:
        For each saliency and sparsity: rows with `sweep`, `sparsity`, `saliency`, and how many `samples` they are of.
    """
    for saliency in saliencies(dense, asked):
        policy = Policy(Choice(saliency=saliency))
        for sparsity, posterior in pruned_to(dense.fitted.posterior, policy, asked.sparsities).items():
            at = replace(dense, fitted=replace(dense.fitted, posterior=posterior, masks=posterior.masks))
            of = {
                "stage": "compressed",
                "form": dense.form.name,
                "sweep": True,
                "sparsity": sparsity,
                "saliency": saliency,
            }
            yield _rows(at, data, of, asked.swept)


def saliencies(dense: Variant, asked: Evaluate) -> tuple[Saliency, ...]:
    """Those asked for that its posterior allows: a point has no signal-to-noise ratio."""
    uncertain = any(bool((var > 0).any()) for _, var in dense.fitted.posterior.marginals().values())
    return tuple(each for each in asked.saliencies if uncertain or each != "snr")


def _rows(at: Variant, data: Dataset, of: dict[str, Scalar], most: int) -> list[Measurement]:
    name, split = ("validation", data.validation) if len(data.validation.inputs) else ("test", data.test)
    targets, strange = split.targets[:most], data.out_of_distribution[:most]
    inside = answer(at, split.inputs[:most])
    outside = answer(at, strange) if len(strange) else None
    said = {**of, "split": name, "samples": len(targets)}
    measured = quality.measurements(inside, targets, outside, task=data.task, of=said)
    return [row for row in measured if row.what in _KEPT]


def answer(at: Variant, inputs: np.ndarray) -> Outputs:
    """What a stage in a form predicts, its members asked one by one in PyTorch.

    Args:
        at: The stage and form.
        inputs: Raw, float32 [N, *shape], N at least 1.
    """
    network, posterior, units = at.fitted.network, at.fitted.posterior, at.fitted.units
    members = at.form.members(network, posterior, units)
    return Outputs(*(each.numpy() for each in predict(members, units, inputs, at.form.reading)))
