"""Single inputs with the answer that the program gives them: right, wrong, and declined."""

from typing import Any

import numpy as np

from bitsback.given.dataset import Dataset
from bitsback.measure.journal import Measurement, Scalar
from bitsback.runtime.predictor import Prediction

_EACH = 6


def gallery(
    inside: Prediction, outside: Prediction | None, data: Dataset, white: float, of: dict[str, Scalar]
) -> Measurement | None:
    """Examples of every kind; those that it declines are half from the test split, half from outside of it.

    Args:
        inside: Its predictions on the test split, with the abstain rule applied.
        outside: On the out-of-distribution set, None where there is none.
        data: The inputs and their labels.
        white: The raw value of a white pixel.
        of: Which program.

    Returns:
        A row `examples`; None in regression, which has no right and wrong.
    """
    if data.task != "classification":
        return None
    right = inside.mean.argmax(axis=1) == data.test.targets
    names = [data.labels[target] for target in data.test.targets]
    shown: list[dict[str, Any]] = []
    for kind, chosen in (("right", right & ~inside.abstain), ("wrong", ~right & ~inside.abstain)):
        shown += _some(kind, np.flatnonzero(chosen)[:_EACH], inside, (data.test.inputs, names), white)
    declined = np.flatnonzero(inside.abstain)[: _EACH // 2]
    shown += _some("declined", declined, inside, (data.test.inputs, names), white)
    if outside is not None:
        strange = [f"none of the {len(data.labels)}"] * len(outside.mean)
        declined = np.flatnonzero(outside.abstain)[: _EACH // 2]
        shown += _some("declined", declined, outside, (data.out_of_distribution, strange), white)
    if not shown:
        return None
    return Measurement("examples", None, "", of=of, series={key: [each[key] for each in shown] for key in shown[0]})


def _some(
    kind: str, chosen: np.ndarray, answers: Prediction, truth: tuple[np.ndarray, list[str]], white: float
) -> list[dict[str, Any]]:
    inputs, names = truth
    found: list[dict[str, Any]] = []
    for index in chosen.tolist():
        best = int(answers.mean[index].argmax())
        image = inputs[index].ndim == 3
        found.append({
            "kind": kind,
            "pixels": np.rint(inputs[index].reshape(-1) * (255 / white)).astype(int).tolist() if image else [],
            "shape": list(inputs[index].shape),
            "label": names[index],
            "answer": answers.labels[best],
            "probability": float(answers.mean[index, best]),
            "total": float(answers.total[index]),
            "knowledge": float(answers.knowledge[index]),
        })
    return found
