"""The demo's ending in the terminal: a table, some digits drawn in text, and what the program says to them."""

import locale
from typing import TYPE_CHECKING, Any

import numpy as np

from bitsback.cli.answers import DECLINED
from bitsback.report.promise import promise
from bitsback.report.quantity import Kind, shown, times
from bitsback.report.tables import summary
from bitsback.run.demo import FORMS

if TYPE_CHECKING:
    from bitsback.run.demo import Met, Story

_FINE, _COARSE = " ░▒▓█", " .:*#"
_GAP = "   "
_WIDEST = 10
_COMPARED: dict[str, tuple[str, Kind, tuple[str, str] | None]] = {
    "file_bytes": ("file", "bytes", ("smaller", "larger")),
    "latency": ("one call", "seconds", ("faster, round by round,", "slower, round by round,")),
    "accuracy": ("accuracy", "share", None),
}


def pictures(story: "Story") -> list[Any]:
    """What to draw: tables, inputs with answers, and some lines to remember."""
    from rich.text import Text

    shades = _FINE if "utf" in locale.getpreferredencoding().lower() else _COARSE
    drawn: list[Any] = [summary(story.rows)]
    for title, met in (
        ("Some like those it was trained on", story.known),
        ("Some of a kind it has never met", story.strange),
    ):
        drawn.append(Text(f"\n{title}", style="bold"))
        drawn += [Text(line) for line in _row(met, shades)]
    return [*drawn, Text("\n" + "\n".join(_ending(story)))]


def _row(met: tuple["Met", ...], shades: str) -> list[str]:
    blocks = [[*_digit(each.image, shades), *_words(each)] for each in met]
    width = max(len(line) for block in blocks for line in block)
    return [_GAP.join(line.ljust(width) for line in lines).rstrip() for lines in zip(*blocks, strict=True)]


def _digit(image: np.ndarray, shades: str) -> list[str]:
    image = _smaller(image)
    levels = np.clip(np.rint(image * (len(shades) - 1)), 0, len(shades) - 1).astype(int)
    return ["".join(shades[level] * 2 for level in row) for row in levels]


def _smaller(image: np.ndarray) -> np.ndarray:
    """Averages squares of pixels, so that four images fit side by side."""
    side = -(-image.shape[1] // _WIDEST)
    height, width = (length // side for length in image.shape)
    return image[: height * side, : width * side].reshape(height, side, width, side).mean(axis=(1, 3))


def _words(met: "Met") -> list[str]:
    answer = met.answer
    said = DECLINED if answer.abstain else f"it says {answer.label} ({answer.probability:.0%})"
    return [f"this is {met.truth}", said]


def _ending(story: "Story") -> list[str]:
    kept = promise(story.rows)
    return [
        *(line for form in FORMS for line in [*_beside_dense(story, form), *_natively(story, form)]),
        *(_strangers(story, form, first=form == "ensemble") for form in ("ensemble", "propagated")),
        f"promise     {'none: it answers everything' if kept is None else kept.sentence}",
        *([] if kept is None else [_declined(*story.declined)]),
        f"look at     {story.run.file('report')}",
    ]


def _natively(story: "Story", form: str) -> list[str]:
    """What a native library of the ensemble, whose members share what they keep, is beside one dense network."""
    if form != "ensemble" or story.native is None:
        return []
    latency, faster = story.native
    said = times(faster, "faster, round by round,", "slower, round by round,")
    return [f"{'':12}natively one call {shown(latency, 'seconds')}, {said} beside the dense point's in ONNX Runtime"]


def _strangers(story: "Story", form: str, *, first: bool) -> str:
    total, knowledge = (
        shown(story.value(f"ood_auroc_{score}", "compressed", form), "score") for score in ("total", "knowledge")
    )
    return f"{'strangers' if first else '':12}OOD AUROC {total} by total, {knowledge} by knowledge: {form}"


def _declined(known: float | None, strange: float | None) -> str:
    return (
        f'"{DECLINED}" to {shown(strange, "share")} of what it has never met, and to {shown(known, "share")} of what is like '
        "its training data"
    )


def _beside_dense(story: "Story", form: str) -> list[str]:
    """Like with like: a form of the compressed network beside the same form of the dense one."""
    pairs = {what: tuple(story.value(what, stage, form) for stage in ("compressed", "dense")) for what in _COMPARED}
    lines = []
    for what, (now, before) in pairs.items():
        name, kind, words = _COMPARED[what]
        less = story.factor(what, form) if words else None
        compared = f", {times(less, *words)} beside" if less and words else ","
        lines.append(f"{name} {shown(now, kind)}{compared} the dense {form}'s {shown(before, kind)}")
    head = f"{form:12}"
    return [f"{head if index == 0 else ' ' * len(head)}{line}" for index, line in enumerate(lines)]
