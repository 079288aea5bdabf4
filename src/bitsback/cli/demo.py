"""The demo's ending in the terminal: a table, some digits drawn in text, and what the program says to them."""

import locale
from typing import TYPE_CHECKING, Any

import numpy as np

from bitsback.cli.answers import DECLINED
from bitsback.report.quantity import ratio, shown, times
from bitsback.report.tables import summary

if TYPE_CHECKING:
    from bitsback.run.demo import Met, Story

_FINE, _COARSE = " ░▒▓█", " .:*#"
_GAP = "   "


def pictures(story: "Story") -> list[Any]:
    """What to draw: tables, digits with answers, and four lines to remember."""
    from rich.text import Text

    shades = _FINE if "utf" in locale.getpreferredencoding().lower() else _COARSE
    drawn: list[Any] = [summary(story.rows)]
    for title, met in (
        ("Digits like those it was trained on", story.known),
        ("Digits it has never met", story.strange),
    ):
        drawn.append(Text(f"\n{title}", style="bold"))
        drawn += [Text(line) for line in _row(met, shades)]
    return [*drawn, Text("\n" + "\n".join(_ending(story)))]


def _row(met: tuple["Met", ...], shades: str) -> list[str]:
    blocks = [[*_digit(each.image, shades), *_words(each)] for each in met]
    width = max(len(line) for block in blocks for line in block)
    return [_GAP.join(line.ljust(width) for line in lines).rstrip() for lines in zip(*blocks, strict=True)]


def _digit(image: np.ndarray, shades: str) -> list[str]:
    levels = np.clip(np.rint(image * (len(shades) - 1)), 0, len(shades) - 1).astype(int)
    return ["".join(shades[level] * 2 for level in row) for row in levels]


def _words(met: "Met") -> list[str]:
    answer = met.answer
    said = DECLINED if answer.abstain else f"it says {answer.label} ({answer.probability:.0%})"
    return [f"this is {met.truth}", said]


def _ending(story: "Story") -> list[str]:
    sizes = story.value("file_bytes"), story.value("file_bytes", shipped=False)
    seconds = story.value("latency"), story.value("latency", shipped=False)
    known, strange = story.declined
    return [
        f"file       {_beside(sizes, 'bytes', ('smaller', 'larger'))}",
        f"latency    {_beside(seconds, 'seconds', ('faster', 'slower'))}",
        f"accuracy   {shown(story.value('accuracy'), 'share')}; the dense network "
        f"{shown(story.value('accuracy', shipped=False), 'share')}",
        f"strangers  OOD AUROC {shown(story.value('ood_auroc_total'), 'score')} by total, "
        f"{shown(story.value('ood_auroc_knowledge'), 'score')} by knowledge",
        f'"{DECLINED}" to {strange:.1%} of the digits it has never met, and to {known:.1%} of those it was trained on',
        f"look at    {story.run.file('report')}",
    ]


def _beside(pair: tuple[float | None, float | None], kind: Any, words: tuple[str, str]) -> str:
    now, before = pair
    factor = ratio(now, before)
    compared = f", {times(factor, *words)} than the dense network's {shown(before, kind)}" if factor else ""
    return f"{shown(now, kind)}{compared}"
