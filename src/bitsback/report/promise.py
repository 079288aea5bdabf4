"""The promise of the packed network as one sentence: when it declines, and how often it is then wrong."""

from dataclasses import dataclass

from bitsback.report.evidence import Rows, finite, number, variant
from bitsback.report.quantity import clean, shown


@dataclass(frozen=True)
class Kept:
    """A promise that a packed network keeps.

    Attributes:
        score: The uncertainty that is thresholded.
        threshold: It answers where the score is at most this.
        error_rate: The share of its answers that may be wrong.
        confidence: How surely it keeps the promise.
        tolerance: Regression only: how far off is wrong, in target units.
        accepted: The share of the calibration split that it answers; None where it is not known.
    """

    score: str
    threshold: float
    error_rate: float
    confidence: float
    tolerance: float | None = None
    accepted: float | None = None

    @property
    def sentence(self) -> str:
        """The promise in words, without a full stop."""
        off = "wrong" if self.tolerance is None else f"off by more than {self.tolerance:g}"
        said = (
            f"it declines where {self.score} > {self.threshold:.4g}, so that with confidence {self.confidence:g} at most "
            f"{100 * self.error_rate:.4g} % of its answers are {off}"
        )
        return (
            said
            if self.accepted is None
            else f"{said}; it answers {shown(self.accepted, 'share')} of the calibration split"
        )


def promise(rows: Rows) -> Kept | None:
    """Gives the promise of the network that was packed last; None where it has none.

    Args:
        rows: The newest of the journal.
    """
    found = [row for row in rows if row.what == "threshold" and finite(row)]
    if not found:
        return None
    row = found[-1]
    error_rate, confidence = number(row, "error_rate"), number(row, "confidence")
    if error_rate is None or confidence is None or row.value is None:
        return None
    shares = [one for one in rows if one.what == "calibration_coverage" and variant(one) == variant(row)]
    return Kept(
        score=clean(row.of.get("score", "total"), 20),
        threshold=row.value,
        error_rate=error_rate,
        confidence=confidence,
        tolerance=number(row, "tolerance"),
        accepted=shares[-1].value if shares and finite(shares[-1]) else None,
    )
