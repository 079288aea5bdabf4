"""When the program that ships declines: a threshold chosen on its own answers to the calibration split."""

from dataclasses import dataclass

from bitsback.artifact.manifest import AbstainRule
from bitsback.errors import PromiseError
from bitsback.given.dataset import Dataset, Split
from bitsback.measure.abstain import Abstention, Judged, Promise, choose, figures, judge, lowest_error_rate
from bitsback.measure.journal import Measurement, Scalar
from bitsback.recipe.sections import Abstain
from bitsback.runtime.predictor import Prediction, Predictor


@dataclass(frozen=True)
class Decision:
    """What came of asking for a promise.

    Attributes:
        promise: What was asked for.
        abstention: The threshold; None where the data cannot give the promise.
        reason: Why not, one sentence; empty where it can.
    """

    promise: Promise
    abstention: Abstention | None
    reason: str = ""

    @property
    def rule(self) -> AbstainRule | None:
        """What the manifest says."""
        found = self.abstention
        if found is None:
            return None
        return AbstainRule(found.score, found.threshold, found.error_rate, found.confidence, found.tolerance)


def decide(predictor: Predictor, data: Dataset, promise: Promise) -> Decision:
    """Choose the threshold.

    Args:
        predictor: The program that ships.
        data: Its validation split fixes what is tried, its calibration split decides.
        promise: What is asked for.

    Returns:
        The threshold, or why there is none.
    """
    try:
        validation, calibration = (
            _judged(predictor, split, promise, data) for split in (data.validation, data.calibration)
        )
    except PromiseError as error:
        return Decision(promise, None, str(error))
    try:
        return Decision(promise, choose(validation, calibration, promise))
    except PromiseError as error:
        lowest = lowest_error_rate(validation, calibration, promise)
        return Decision(promise, None, f"{error}; {_possible(lowest, len(calibration.scores), promise)}")


def promise_of(asked: Abstain | None) -> Promise:
    """The promise that a recipe asks for; where it asks for none, that of the defaults is tried."""
    asked = asked or Abstain()
    return Promise(
        error_rate=asked.error_rate, confidence=asked.confidence, score=asked.score, tolerance=asked.tolerance
    )


def rows(
    decision: Decision, inside: Prediction | None, outside: Prediction | None, data: Dataset, of: dict[str, Scalar]
) -> list[Measurement]:
    """A threshold and what it does: how often the program answers, how often it errs, and what it declines.

    There are none where there is no threshold. Each says of which promise it is: another promise has another threshold.

    Args:
        decision: The threshold.
        inside: The program's predictions on the test split, None where that is empty.
        outside: On the out-of-distribution set, None where there is none.
        data: The targets, and the set's name.
        of: Which program.
    """
    found, promise = decision.abstention, decision.promise
    if found is None:
        return []
    said: dict[str, Scalar] = {
        **of,
        "score": promise.score,
        "error_rate": promise.error_rate,
        "confidence": promise.confidence,
    }
    if promise.tolerance is not None:
        said["tolerance"] = promise.tolerance
    before = {**said, "split": "calibration"}
    kept = [
        Measurement("threshold", found.threshold, "nats" if data.task == "classification" else "", of=before),
        Measurement("calibration_coverage", found.accepted / found.calibration, "share", of=before),
    ]
    if inside is not None:
        values = figures(found, judge(inside, data.test.targets, promise, task=data.task))
        kept += [Measurement(what, value, "share", of={**said, "split": "test"}) for what, value in values.items()]
    if outside is not None:
        strange = {**said, "out_of_distribution": data.out_of_distribution_name}
        kept.append(Measurement("ood_declined", float(outside.abstain.mean()), "share", of=strange))
    return kept


def _possible(lowest: float | None, calibration: int, promise: Promise) -> str:
    """What could be promised instead."""
    given = f"with these {calibration} calibration samples and confidence {promise.confidence:g}"
    if lowest is None:
        return f"{given} no error rate can be promised"
    return f"{given} the lowest error rate that can be promised is {lowest:g}"


def _judged(predictor: Predictor, split: Split, promise: Promise, data: Dataset) -> Judged:
    if not len(split.inputs):
        raise PromiseError(
            "a promise needs a validation and a calibration split, and one of them is empty; ask for larger shares"
        )
    return judge(predictor.predict(split.inputs), split.targets, promise, task=data.task)
