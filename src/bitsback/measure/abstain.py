"""When to say "I don't know": a threshold on uncertainty that comes with a promise.

The program answers where its score is at most the threshold t. The promise, made before the first answer: with
probability at least 1 − δ over the draw of the calibration split, P(wrong | answered) ≤ α for new samples like those of
the split. Nothing is promised for samples of another kind.

```
validation ──► thresholds, strict to loose ─┐
calibration ────────────────────────────────┴─► test each in turn, stop at the first that fails ─► the last that passed
```

Why it holds. Let R(t) = P(wrong | score ≤ t). How many calibration samples are answered at t is random, but given that
number n, their errors are Binomial(n, R(t)); so p(t) = P(Binomial(n, α) ≤ errors) is a p-value of "R(t) > α" whatever
n turns out to be. The thresholds and their order are functions of the validation split alone. Were any of them bad, the
first bad one would have to pass for a bad one to be chosen, which happens with probability at most δ: testing in a
fixed sequence needs no correction for the number of tests, and R need not grow with t.

Where the sequence starts changes how often a threshold is found, never the promise. The strictest threshold at which a
rejection is possible at all fails at a single error, and one failure ends the sequence; so it starts at the threshold
where enough are accepted for the validation split's own errors to make the rejection most likely, and goes looser.

Sources: Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then Test", 2021 (fixed-sequence testing; p-values for a
binary loss); Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", 2017.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bitsback.errors import PromiseError, RecipeError
from bitsback.measure.binomial import fewest_trials, lower_tail
from bitsback.measure.outputs import Outputs, check_labels, residuals

Score = Literal["total", "knowledge"]

OF_A_THRESHOLD = frozenset({"threshold", "calibration_coverage", "coverage", "selective_error", "ood_declined"})
"""What the journal has of a threshold: figures of an earlier one say nothing of a later one."""

_STEPS = 1000


@dataclass(frozen=True)
class Promise:
    """What is asked for.

    Attributes:
        error_rate: α, the tolerated share of wrong answers among the answers given, between 0 and 1.
        confidence: 1 − δ, how sure the promise is to be kept, between 0 and 1.
        score: the uncertainty that is thresholded.
        tolerance: regression only: an answer is wrong if any target is off by more, in target units; above 0.
        thresholds: how many are tried at most, at least 1.
    """

    error_rate: float
    confidence: float = 0.95
    score: Score = "total"
    tolerance: float | None = None
    thresholds: int = 100

    def __post_init__(self) -> None:
        for name in ("error_rate", "confidence"):
            if not _within(getattr(self, name), 1.0):
                raise RecipeError(f"the promise's {name} is {getattr(self, name)!r}; it must lie between 0 and 1")
        if not isinstance(self.score, str) or self.score not in {"total", "knowledge"}:
            raise RecipeError(f"the promise's score is {self.score!r}; it must be 'total' or 'knowledge'")
        if self.tolerance is not None and not _within(self.tolerance, math.inf):
            raise RecipeError(f"the promise's tolerance is {self.tolerance!r}; it must be above 0, in target units")
        if type(self.thresholds) is not int or self.thresholds < 1:
            raise RecipeError(f"the promise's thresholds is {self.thresholds!r}; it must be a count, at least 1")


@dataclass(frozen=True)
class Judged:
    """A split's answers: how uncertain, and whether wrong.

    Attributes:
        scores: [N] uncertainty.
        wrong: [N] bool.
    """

    scores: np.ndarray
    wrong: np.ndarray

    def at(self, threshold: float) -> tuple[int, int]:
        """How many are answered at a threshold, and how many of these are wrong."""
        answered = accepts(self.scores, threshold)
        return int(answered.sum()), int(self.wrong[answered].sum())


@dataclass(frozen=True)
class Abstention:
    """A threshold with its promise, and the calibration counts that it rests on.

    Attributes:
        score: the uncertainty that is thresholded.
        threshold: the program answers where score ≤ threshold; exactly representable in float32.
        error_rate: α.
        confidence: 1 − δ.
        tolerance: regression only: how far off is wrong, in target units.
        calibration: samples in the calibration split.
        accepted: calibration samples answered.
        errors: calibration samples answered wrongly.
    """

    score: Score
    threshold: float
    error_rate: float
    confidence: float
    tolerance: float | None
    calibration: int
    accepted: int
    errors: int


def accepts(scores: np.ndarray, threshold: float) -> np.ndarray:
    """[N] bool, whether each is answered: score ≤ threshold. A NaN is not."""
    return scores <= np.float32(threshold)


def judge(outputs: Outputs, targets: np.ndarray, promise: Promise, *, task: str = "classification") -> Judged:
    """Score a split's answers and say which are wrong.

    Args:
        outputs: of the program that ships, on the split.
        targets: [N] labels, or [N, D] in regression.
        promise: which score; in regression, how far off is wrong.
        task: `classification` or `regression`.

    Raises:
        DataError: the arrays do not fit together or are not finite.
        PromiseError: a regression without a tolerance: squared error has no bound, so no finite sample bounds its mean.
    """
    scores = np.asarray(getattr(outputs, promise.score))
    if task == "classification":
        check_labels(outputs, targets)
        return Judged(scores, outputs.mean.argmax(axis=1) != targets)
    if promise.tolerance is None:
        raise PromiseError(
            "a regression can only promise how often it is off by more than a tolerance, and none is given; "
            "give one in target units"
        )
    return Judged(scores, np.abs(residuals(outputs, targets)).max(axis=1) > promise.tolerance)


def choose(validation: Judged, calibration: Judged, promise: Promise) -> Abstention:
    """The loosest threshold that the calibration split lets one promise.

    Args:
        validation: fixes which thresholds are tried, and in which order.
        calibration: tests them; seen by nothing before.
        promise: what is asked for.

    Raises:
        PromiseError: the split is too small to promise it, or no threshold passes.
    """
    chance = 1.0 - promise.confidence
    candidates = sequence(validation, len(calibration.scores), promise)
    passed: tuple[float, int, int] | None = None
    for threshold in candidates:
        accepted, errors = calibration.at(threshold)
        if lower_tail(errors, accepted, promise.error_rate) > chance:
            break
        passed = (threshold, accepted, errors)
    if passed is None:
        raise PromiseError(_none_passes(calibration, candidates[0], promise))
    return Abstention(
        score=promise.score,
        threshold=passed[0],
        error_rate=promise.error_rate,
        confidence=promise.confidence,
        tolerance=promise.tolerance,
        calibration=len(calibration.scores),
        accepted=passed[1],
        errors=passed[2],
    )


def lowest_error_rate(validation: Judged, calibration: Judged, promise: Promise) -> float | None:
    """The lowest error rate above the one that was asked for with which `choose` finds a threshold, in steps of 0.001.

    It is found by looking at the calibration split, so that a promise of just this rate is kept a little less surely than
    its confidence says: it tells how far off a request was.

    Args:
        validation: fixes which thresholds are tried.
        calibration: tests them.
        promise: what was asked for, all but its error rate.

    Returns:
        None where there is no such rate.
    """
    for step in range(math.floor(promise.error_rate * _STEPS) + 1, _STEPS):
        rate = step / _STEPS
        try:
            choose(validation, calibration, replace(promise, error_rate=rate))
        except PromiseError:
            continue
        return rate
    return None


def sequence(validation: Judged, calibration_size: int, promise: Promise) -> list[float]:
    """The thresholds to test, strict to loose, fixed without a look at the calibration split.

    Args:
        validation: the answers that fix them.
        calibration_size: samples in the calibration split.
        promise: what is asked for.

    Returns:
        At least one.

    Raises:
        PromiseError: even answering everywhere leaves too few calibration samples for a rejection.
    """
    needed = fewest_trials(promise.error_rate, 1.0 - promise.confidence)
    if len(validation.scores) == 0 or calibration_size < needed:
        raise PromiseError(_too_small(needed, calibration_size, promise))
    candidates = grid(validation.scores, promise.thresholds)
    hopes = []
    for threshold in candidates:
        accepted, errors = validation.at(threshold)
        expected = accepted * calibration_size // len(validation.scores)
        # One error more than was seen, so that a handful of right answers is no proof.
        pessimistic = min(expected, (errors + 1) * expected // (accepted + 1))
        hopes.append(lower_tail(pessimistic, expected, promise.error_rate) if expected >= needed else 2.0)
    return candidates[int(np.argmin(hopes)) :]


def grid(scores: np.ndarray, count: int) -> list[float]:
    """Thresholds at evenly spaced quantiles of the scores, in float32, rising.

    Each lies halfway between two neighbouring distinct scores, so that the last digit, which differs between engines,
    decides nothing; the last lies just above the highest.

    Args:
        scores: [N], N ≥ 1.
        count: how many at most; tied scores give fewer.
    """
    distinct = np.unique(scores.astype(np.float64))
    above = np.append(distinct[1:], distinct[-1] + 2e-6 * max(abs(distinct[-1]), 0.1))
    between = ((distinct + above) / 2).astype(np.float32)
    ordered = np.sort(scores.astype(np.float64))
    picked = ordered[np.unique(np.linspace(0, len(ordered), count + 1).astype(int)[1:]) - 1]
    return np.unique(between[np.searchsorted(distinct, picked)]).astype(float).tolist()


def figures(abstention: Abstention, judged: Judged) -> dict[str, float | None]:
    """What the threshold does on a split: `coverage` (share answered) and `selective_error` (None if none is)."""
    accepted, errors = judged.at(abstention.threshold)
    return {
        "coverage": accepted / len(judged.scores) if len(judged.scores) else None,
        "selective_error": errors / accepted if accepted else None,
    }


def _within(value: object, upper: float) -> bool:
    return isinstance(value, int | float | np.number) and value is not True and bool(0.0 < value < upper)


def _terms(promise: Promise) -> str:
    return f"at most {promise.error_rate:.3g} wrong with confidence {promise.confidence:.3g}"


def _too_small(needed: int, size: int, promise: Promise) -> str:
    return (
        f"promising {_terms(promise)} takes at least {needed} accepted calibration samples (without an error), and the "
        f"calibration split has {size}; take a larger one, a higher error rate or a lower confidence"
    )


def _none_passes(calibration: Judged, first: float, promise: Promise) -> str:
    accepted, errors = calibration.at(first)
    return (
        f"no threshold on {promise.score!r} can promise {_terms(promise)}: at the first one tried, {errors} of the "
        f"{accepted} accepted calibration samples are wrong; take a higher error rate or a better network"
    )
