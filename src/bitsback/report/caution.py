"""What a reader of the figures is to be warned of: a gain that was paid for where nobody looks."""

from bitsback.report.evidence import Rows, Variant, settled, value
from bitsback.report.quantity import shown

_TIMES, _LEAST = 2.0, 0.05


def cautions(rows: Rows) -> list[str]:
    """Gives a sentence for each form whose calibration error pruning has more than doubled, to more than 5 %.

    Args:
        rows: The newest of the journal.
    """
    found = settled(rows)
    said: list[str] = []
    for form in ("point", "ensemble"):
        before, now = (value(found, "ece", Variant(stage, form)) for stage in ("dense", "compressed"))
        if before is None or now is None or before.value is None or now.value is None:
            continue
        if now.value > _LEAST and now.value > _TIMES * before.value:
            said.append(
                f"Pruning cost calibration: the ECE of the compressed {form} is {shown(now.value, 'share')}, that of the "
                f"dense {form} {shown(before.value, 'share')}; prune less, fit longer, or fine-tune under the mask."
            )
    return said
