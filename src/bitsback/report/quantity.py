"""What each measured quantity is called, which way is better, and how its numbers are written."""

import math
import unicodedata
from dataclasses import dataclass
from typing import Literal

Kind = Literal["share", "score", "number", "bytes", "seconds", "count", "times"]


@dataclass(frozen=True)
class Quantity:
    """A row's `what`, explained to a reader.

    Attributes:
        name: What it is called on the page.
        kind: How its numbers are written; a share is a fraction in the journal and a percentage on the page.
        better: The direction of improvement; empty where neither is.
        meaning: One sentence.
        unit: The unit after the number, where the kind does not say it.
    """

    name: str
    kind: Kind
    better: Literal["higher", "lower", ""]
    meaning: str
    unit: str = ""

    @property
    def title(self) -> str:
        """Its name with its unit, as tables and axes have it."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


QUALITY: dict[str, Quantity] = {
    "accuracy": Quantity("Accuracy", "share", "higher", "Share of the test inputs that are classified right."),
    "mae": Quantity("Mean absolute error", "number", "lower", "Mean distance from the target, in the target's units."),
    "rmse": Quantity("RMSE", "number", "lower", "Root of the mean squared error, in the target's units."),
    "nll": Quantity(
        "NLL", "number", "lower", "Mean negative log likelihood: a confident wrong answer costs most.", "nats"
    ),
    "brier": Quantity("Brier score", "number", "lower", "Mean squared distance of the probabilities from the truth."),
    "ece": Quantity(
        "ECE", "share", "lower", "Calibration error: mean gap of confidence and accuracy, 15 equal-width bins."
    ),
    "confident_errors": Quantity(
        "Confident errors", "share", "lower", "Share of the wrong answers that are given with 99 % confidence or more."
    ),
    "ood_auroc_total": Quantity(
        "OOD AUROC, total",
        "score",
        "higher",
        "Chance that an out-of-distribution input has more total uncertainty than a test input; 0.5 is guessing.",
    ),
    "ood_auroc_knowledge": Quantity(
        "OOD AUROC, knowledge", "score", "higher", "The same by the knowledge uncertainty: what more data would remove."
    ),
    "misclassification_auroc_total": Quantity(
        "Error AUROC, total",
        "score",
        "higher",
        "Chance that a wrong answer has more total uncertainty than a right one.",
    ),
    "misclassification_auroc_knowledge": Quantity(
        "Error AUROC, knowledge", "score", "higher", "The same by the knowledge uncertainty."
    ),
    "aurc_total": Quantity(
        "AURC", "number", "lower", "Area under the risk-coverage curve: mean error when the least certain are declined."
    ),
    **{
        f"interval_coverage_{level}": Quantity(
            f"Interval coverage, {level} %",
            "share",
            "",
            f"Share of the targets inside the interval that should hold {level} % of them.",
        )
        for level in (50, 90, 95)
    },
    "coverage": Quantity("Coverage", "share", "higher", "Share of the test inputs that it does not decline."),
    "selective_error": Quantity("Error when it answers", "share", "lower", "Share of wrong ones among its answers."),
    "ood_declined": Quantity(
        "OOD declined", "share", "higher", "Share of out-of-distribution inputs that it declines."
    ),
}

COST: dict[str, Quantity] = {
    "file_bytes": Quantity("File", "bytes", "lower", "Size of the packed file."),
    "latency": Quantity("Latency", "seconds", "lower", "Median time of one call."),
    "latency_ratio": Quantity(
        "Latency beside dense", "times", "lower", "Median of its time over the dense network's, round by round."
    ),
    "parameters": Quantity("Parameters", "count", "lower", "Weights of the network."),
    "kept_parameters": Quantity("Weights kept", "count", "lower", "Weights that are not zero."),
    "deterministic_parameters": Quantity("Deterministic parameters", "count", "", "Parameters without a distribution."),
    "imported_parameters": Quantity(
        "Imported parameters", "count", "", "Parameters whose distribution was made elsewhere and brought here."
    ),
    "epoch_seconds": Quantity("Time per epoch", "seconds", "lower", "Wall time of one pass over the training split."),
    "threshold": Quantity("Threshold", "number", "", "The score up to which it answers."),
    "calibration_coverage": Quantity("Calibration coverage", "share", "", "Share of the calibration split it answers."),
    "kl": Quantity("KL", "number", "", "Divergence of the posterior from the prior, summed over weights.", "nats"),
    "code_length": Quantity("Code length", "bytes", "", "What a coder spends on the most probable symbols."),
    "coded_bytes": Quantity("Coded weights", "bytes", "", "What the symbols take in the file."),
    "temperature": Quantity("Temperature T", "number", "", "Multiplies the KL in the objective; 1 is Bayes' rule."),
}


def quantity(what: str) -> Quantity:
    """Gives the quantity of a row's `what`; an unknown one is a plain number without a direction."""
    return QUALITY.get(what) or COST.get(what) or Quantity(clean(what), "number", "", "")


def shown(value: float | None, kind: Kind = "number") -> str:
    """Writes a value as a reader wants it: `0.9841` as a share is `98.41 %`, `2.1e-4` seconds are `0.21 ms`."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return _WRITERS[kind](float(value))


def significant(value: float, digits: int = 3) -> str:
    """Rounds to significant digits, with an exponent only where the number is very large or very small."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -5 <= magnitude < 9:
        return f"{value:.{digits - 1}e}"
    rounded = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    return rounded.replace("-", "−")


def ratio(now: float | None, before: float | None) -> float | None:
    """Gives `before / now`: how many times smaller or faster; None where it has no meaning."""
    if now is None or before is None or not (math.isfinite(now) and math.isfinite(before)):
        return None
    return before / now if now > 0 and before > 0 else None


def times(factor: float, less: str, more: str) -> str:
    """Says a ratio in words: `times(9.1, "smaller", "larger")` is `9.1× smaller`."""
    if abs(factor - 1.0) < 0.005:
        return "the same"
    return f"{significant(factor)}× {less}" if factor > 1.0 else f"{significant(1.0 / factor)}× {more}"


def between(spread: tuple[float, float], kind: Kind = "number") -> str:
    """Writes a range, its unit once: `105–118 µs`."""
    low, high = (shown(one, kind) for one in spread)
    number, _, unit = low.partition(" ")
    return f"{number}–{high}" if not unit or high.endswith(f" {unit}") else f"{low} – {high}"


def clean(text: object, limit: int = 80) -> str:
    """Makes any label printable: control and unpaired characters removed, one line, at most `limit` characters."""
    kept = "".join(" " if c in "\t\r\n" else c for c in str(text) if c in "\t\r\n" or _printable(c))
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def tail(name: str, limit: int) -> str:
    """Shortens a dotted name at its front, at a dot where it can, as its end tells it apart: `…layer2.40.conv1.weight`."""
    if len(name) <= limit:
        return name
    kept = name[len(name) - limit + 1 :]
    whole = kept if name[len(name) - limit] == "." else kept.partition(".")[2]
    return f"…{whole or kept}"


def _printable(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def _share(value: float) -> str:
    return f"{100 * value:.2f} %" if abs(value) < 0.9995 else f"{100 * value:.1f} %"


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    factor, unit = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    return f"{significant(value / factor)} {unit}"


def _bytes(value: float) -> str:
    if abs(value) < 1e3:
        return f"{value:.0f} B"
    return _scaled(value, ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")))


def _seconds(value: float) -> str:
    return _scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")))


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) < 1e6 else _scaled(value, ((1e9, "bn"), (1e6, "M")))


_WRITERS = {
    "share": _share,
    "score": lambda value: f"{value:.3f}",
    "number": significant,
    "bytes": _bytes,
    "seconds": _seconds,
    "count": _count,
    "times": lambda value: f"{significant(value)}×",
}
