"""Quality against sparsity: the fitted posterior pruned to several sparsities in one shot, in PyTorch, without an export.

The members' answers are computed one after the other by the plain traced network, the slow and obvious way.
"""

from dataclasses import replace

import numpy as np
import torch

from bitsback.compress.masks import sweep as pruned_to
from bitsback.form.outputs import classify, regress
from bitsback.given.dataset import Dataset
from bitsback.given.params import Params
from bitsback.lower.run.onnx import Outputs
from bitsback.measure import quality
from bitsback.measure.journal import Measurement
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.contract import mean
from bitsback.recipe.sections import Evaluate
from bitsback.run.fitted import FittedNetwork
from bitsback.run.programs import Variant

_BATCH = 512
_KEPT = ("accuracy", "rmse", "mae", "nll", "ece", "brier", "ood_auroc_total", "ood_auroc_knowledge")


def sweep(dense: Variant, data: Dataset, asked: Evaluate) -> list[Measurement]:
    """The quality of the fitted network at every asked-for sparsity, by every saliency that its posterior allows.

    Args:
        dense: The unpruned network in the form that ships.
        data: The validation split (the test split where there is none) and the out-of-distribution set are answered: a
            sweep is there to choose by, and nothing is chosen on test data.
        asked: Sparsities and saliencies.

    Returns:
        Rows with `sweep`, `sparsity` and `saliency`.
    """
    uncertain = any(bool((var > 0).any()) for _, var in dense.fitted.posterior.marginals().values())
    rows: list[Measurement] = []
    for saliency in asked.saliencies:
        if saliency == "snr" and not uncertain:
            continue
        policy = Policy(Choice(saliency=saliency))
        for sparsity, posterior in pruned_to(dense.fitted.posterior, policy, asked.sparsities).items():
            at = replace(dense, fitted=replace(dense.fitted, posterior=posterior, masks=posterior.masks))
            of = {"stage": "compressed", "form": dense.form, "sweep": True, "sparsity": sparsity, "saliency": saliency}
            rows += _rows(at, data, of)
    return rows


def _rows(at: Variant, data: Dataset, of: dict[str, str | float | int | bool]) -> list[Measurement]:
    members = _members(at)
    name, split = ("validation", data.validation) if len(data.validation.inputs) else ("test", data.test)
    inside = answer(at.fitted, members, split.inputs)
    outside = answer(at.fitted, members, data.out_of_distribution) if len(data.out_of_distribution) else None
    measured = quality.measurements(inside, split.targets, outside, task=data.task, of={**of, "split": name})
    return [row for row in measured if row.what in _KEPT]


def answer(fitted: FittedNetwork, members: list[Params], inputs: np.ndarray) -> Outputs:
    """What the members' average predicts.

    Args:
        fitted: The network and its units.
        members: Every tensor that the network takes, for each member.
        inputs: Raw, float32 [N, *shape], N at least 1.

    Returns:
        `mean`, `total`, `data`, `knowledge` as a program gives them.
    """
    parts = [_batch(fitted, members, inputs[start : start + _BATCH]) for start in range(0, len(inputs), _BATCH)]
    return Outputs(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _batch(fitted: FittedNetwork, members: list[Params], inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    units = fitted.units
    standardized = torch.from_numpy(units.inputs.apply(inputs))
    with torch.no_grad():
        answers = torch.stack([fitted.network(tensors, standardized) for tensors in members])
        if units.targets is None:
            return tuple(each.numpy() for each in classify(torch.log_softmax(answers, -1)))
        std, offset = torch.tensor(units.targets.std), torch.tensor(units.targets.mean)
        noise = torch.exp(2 * units.log_noise) * std.square()
        return tuple(each.numpy() for each in regress(answers * std + offset, noise))


def _members(at: Variant) -> list[Params]:
    posterior = at.fitted.posterior
    if at.form == "point":
        return [mean(posterior)]
    draws = at.draws()
    return [{**posterior.fixed, **{name: each[index] for name, each in draws.items()}} for index in range(at.members)]
