"""When the program that ships declines: a threshold chosen on its own answers to the calibration split."""

from dataclasses import dataclass

from bitsback.artifact.manifest import AbstainRule
from bitsback.errors import PromiseError
from bitsback.given.dataset import Dataset, Split
from bitsback.measure.abstain import Abstention, Judged, Promise, choose, figures, judge
from bitsback.measure.journal import Measurement, Scalar
from bitsback.recipe.sections import Abstain
from bitsback.runtime.predictor import Predictor


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
        splits = [_judged(predictor, split, promise, data) for split in (data.validation, data.calibration)]
        return Decision(promise, choose(splits[0], splits[1], promise))
    except PromiseError as error:
        return Decision(promise, None, str(error))


def promise_of(asked: Abstain | None) -> Promise:
    """The promise that a recipe asks for; where it asks for none, that of the defaults is tried."""
    asked = asked or Abstain()
    return Promise(
        error_rate=asked.error_rate, confidence=asked.confidence, score=asked.score, tolerance=asked.tolerance
    )


def rows(decision: Decision, predictor: Predictor, data: Dataset, of: dict[str, Scalar]) -> list[Measurement]:
    """How often it answers on the test split, and how often it is then wrong; nothing where there is no threshold.

    Each row says of which promise it is: another promise has another threshold.
    """
    if decision.abstention is None or not len(data.test.inputs):
        return []
    promise = decision.promise
    judged = _judged(predictor, data.test, promise, data)
    said: dict[str, Scalar] = {
        **of,
        "score": promise.score,
        "error_rate": promise.error_rate,
        "confidence": promise.confidence,
    }
    if promise.tolerance is not None:
        said["tolerance"] = promise.tolerance
    values = figures(decision.abstention, judged)
    return [Measurement(what, value, "share", of=said) for what, value in values.items()]


def _judged(predictor: Predictor, split: Split, promise: Promise, data: Dataset) -> Judged:
    if not len(split.inputs):
        raise PromiseError(
            "a promise needs a validation and a calibration split, and one of them is empty; ask for larger shares"
        )
    return judge(predictor.predict(split.inputs), split.targets, promise, task=data.task)
