"""Every figure of quality at once, because none of them can be believed alone.

```
outputs, targets ──classification / regression──► {what: value}
                 ──curves───────────────────────► {what: lists}       ──measurements──► rows of the journal
```

Nothing is NaN: a figure that the data leave undefined (no wrong answer to detect, no set outside the distribution) is
None.
"""

from collections.abc import Mapping

import numpy as np

from bitsback.measure import calibration, gaussian, ranking, selective
from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.outputs import Outputs, check_finite, check_labels, residuals

CONFIDENT = 0.99
"""An answer given with at least this probability is a confident one."""

LEVELS = (0.5, 0.9, 0.95)
"""The intervals whose coverage is measured in regression."""

SCORES = ("total", "knowledge")

UNITS = {
    "accuracy": "share",
    "nll": "nats",
    "brier": "",
    "ece": "share",
    "mae": "target units",
    "rmse": "target units",
    "confident_errors": "share",
    "risk_coverage": "",
}


def classification(outputs: Outputs, targets: np.ndarray, ood: Outputs | None = None) -> dict[str, float | None]:
    """The figures of a classifier on a labelled set.

    Args:
        outputs: the program's, on the set.
        targets: [N] integer labels.
        ood: the program's outputs on the set outside the distribution, None where there is none.

    Returns:
        accuracy; nll (nats, probability no less than 2^-126); brier (sum over classes, 0..2); ece (15 bins);
        ood_auroc_total and _knowledge (outside should score higher); misclassification_auroc_total and _knowledge
        (wrong answers should); aurc_total; confident_errors (the share of the wrong answers given with ≥ 99 %).

    Raises:
        DataError: the arrays do not fit together or are not finite.
    """
    check_labels(outputs, targets)
    right = outputs.mean.argmax(axis=1) == targets
    confidence = outputs.mean.max(axis=1)
    wrong_confidence = confidence[~right]
    return {
        "accuracy": float(right.mean()),
        "nll": calibration.nll(outputs.mean, targets),
        "brier": calibration.brier(outputs.mean, targets),
        "ece": calibration.ece(confidence, right),
        **_ood(outputs, ood),
        "misclassification_auroc_total": ranking.auroc(outputs.total[~right], outputs.total[right]),
        "misclassification_auroc_knowledge": ranking.auroc(outputs.knowledge[~right], outputs.knowledge[right]),
        "aurc_total": selective.aurc(outputs.total, ~right),
        "confident_errors": float((wrong_confidence >= CONFIDENT).mean()) if len(wrong_confidence) else None,
    }


def regression(outputs: Outputs, targets: np.ndarray, ood: Outputs | None = None) -> dict[str, float | None]:
    """The figures of a regressor on a set with known targets.

    Args:
        outputs: the program's, on the set.
        targets: [N, D] or, for D = 1, [N], in target units.
        ood: the program's outputs on the set outside the distribution, None where there is none.

    Returns:
        mae and rmse (over all targets); nll (Gaussian with the total variance, nats, summed over targets);
        interval_coverage_50, _90 and _95 (see `gaussian`); ood_auroc_total and _knowledge; aurc_total (the loss is a
        sample's mean absolute error).

    Raises:
        DataError: the arrays do not fit together or are not finite.
    """
    error = residuals(outputs, targets)
    covered = {
        f"interval_coverage_{level * 100:.0f}": gaussian.interval_coverage(error, outputs.total, level)
        for level in LEVELS
    }
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "nll": gaussian.nll(error, outputs.total),
        **covered,
        **_ood(outputs, ood),
        "aurc_total": selective.aurc(outputs.total, np.abs(error).mean(axis=1)),
    }


def curves(
    outputs: Outputs, targets: np.ndarray, ood: Outputs | None = None, *, task: str = "classification"
) -> dict[str, dict[str, list[float]]]:
    """The series behind the figures.

    Args:
        outputs: the program's, on the set.
        targets: [N] labels, or [N, D] in regression.
        ood: the program's outputs on the set outside the distribution, None where there is none.
        task: `classification` or `regression`.

    Returns:
        `reliability` {confidence, accuracy, count} (classification); `risk_coverage` {coverage, risk} by total; with
        `ood`, `uncertainty_histogram_total` and `_knowledge` {edges, inside, outside}.

    Raises:
        DataError: the arrays do not fit together or are not finite.
    """
    found: dict[str, dict[str, list[float]]] = {}
    if task == "classification":
        check_labels(outputs, targets)
        right = outputs.mean.argmax(axis=1) == targets
        found["reliability"] = calibration.reliability(outputs.mean.max(axis=1), right)
        loss = (~right).astype(np.float64)
    else:
        loss = np.abs(residuals(outputs, targets)).mean(axis=1)
    found["risk_coverage"] = selective.risk_coverage(outputs.total, loss)
    if ood is not None and len(ood.total):
        check_finite(ood)
        for score in SCORES:
            inside, outside = getattr(outputs, score), getattr(ood, score)
            found[f"uncertainty_histogram_{score}"] = ranking.histogram(inside, outside)
    return found


def measurements(
    outputs: Outputs,
    targets: np.ndarray,
    ood: Outputs | None = None,
    *,
    task: str = "classification",
    of: Mapping[str, Scalar],
) -> list[Measurement]:
    """The figures and the series as rows in the journal's vocabulary, still to be stamped with their origin.

    Args:
        outputs: the program's, on the set.
        targets: [N] labels, or [N, D] in regression.
        ood: the program's outputs on the set outside the distribution, None where there is none.
        task: `classification` or `regression`.
        of: what was measured (stage, form, split, …); a series by one score gets `score` added.

    Raises:
        DataError: the arrays do not fit together or are not finite.
    """
    measure = classification if task == "classification" else regression
    values = measure(outputs, targets, ood)
    rows = [Measurement(what, value, _unit(what, task), of=dict(of)) for what, value in values.items()]
    for name, series in curves(outputs, targets, ood, task=task).items():
        what, scored = _series_name(name)
        rows.append(Measurement(what, None, "", of={**of, **scored}, series=series))
    return rows


def _unit(what: str, task: str) -> str:
    if what.startswith("aurc"):
        return "share" if task == "classification" else "target units"
    return UNITS.get(what, "share")


def _series_name(name: str) -> tuple[str, dict[str, Scalar]]:
    """The journal's name of a curve, and the score that it is by."""
    if name == "risk_coverage":
        return name, {"score": "total"}
    for score in SCORES:
        if name == f"uncertainty_histogram_{score}":
            return "uncertainty_histogram", {"score": score}
    return name, {}


def _ood(inside: Outputs, outside: Outputs | None) -> dict[str, float | None]:
    """How well each score tells outside from inside; None where there is no outside."""
    if outside is None:
        return dict.fromkeys((f"ood_auroc_{score}" for score in SCORES), None)
    check_finite(outside)
    return {f"ood_auroc_{score}": ranking.auroc(getattr(outside, score), getattr(inside, score)) for score in SCORES}
