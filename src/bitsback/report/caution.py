"""What a reader of the figures is to be warned of: what was paid for where nobody looks."""

from collections.abc import Iterator

from bitsback.measure.mixing import MIXED
from bitsback.report.evidence import FORMS, Rows, Variant, settled, value
from bitsback.report.quantity import shown

_TIMES, _LEAST = 2.0, 0.05
_GUESSING = 0.5


def cautions(rows: Rows) -> list[str]:
    """Gives a sentence for each thing that the compressed network is bad at, form by form.

    That are chains which did not mix, a calibration error which pruning has more than doubled, to more than 5 %, and an
    uncertainty that tells what the network was not trained on from its test data worse than guessing would.

    Args:
        rows: The newest of the journal.
    """
    found = settled(rows)
    by_form = [said for form in FORMS for said in (*_calibration(found, form), *_strangers(found, form))]
    return [*_chains(rows), *by_form]


def _chains(rows: Rows) -> Iterator[str]:
    most = max((row.value or 0.0 for row in rows if row.what == "split_rhat_limit"), default=MIXED)
    for row in rows:
        if row.what == "split_rhat" and row.value is not None and row.value > most:
            yield (
                f"The chains did not mix: split R̂ of the {row.of['quantity']} is {row.value:.2f}, and {most:.2f} is the most "
                "for chains that did; take more epochs, and do not take the samples for the whole posterior."
            )
            return


def _calibration(rows: Rows, form: str) -> Iterator[str]:
    before, now = (_figure(rows, "ece", stage, form) for stage in ("dense", "compressed"))
    if before is not None and now is not None and now > _LEAST and now > _TIMES * before:
        yield (
            f"Pruning cost calibration: the ECE of the compressed {form} is {shown(now, 'share')}, that of the "
            f"dense {form} {shown(before, 'share')}; prune less, or train longer, before and under the mask."
        )


def _strangers(rows: Rows, form: str) -> Iterator[str]:
    found = _figure(rows, "ood_auroc_total", "compressed", form)
    if found is not None and found < _GUESSING:
        yield (
            f"It is surer of what it was not trained on than of its test data: the OOD AUROC of the compressed {form} by "
            f"total is {shown(found, 'score')}, worse than guessing; do not count on it to decline such inputs."
        )


def _figure(rows: Rows, what: str, stage: str, form: str) -> float | None:
    found = value(rows, what, Variant(stage, form))
    return None if found is None else found.value
