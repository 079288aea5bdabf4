"""Inputs that the network got right, got wrong, and declined."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, select, shipped, variant
from bitsback.report.quantity import clean, shown, significant

KINDS = {
    "right": ("Right", "It answered, and the answer is right."),
    "wrong": ("Wrong", "It answered, and the answer is wrong."),
    "declined": ("Declined", "It said “I don't know”."),
}
_LARGEST_SIDE = 256
_MOST = 12


@dataclass(frozen=True)
class Example:
    """One input: a PNG as a data address (empty where it is no image), the truth, the answer, and the uncertainties."""

    image: str
    label: str
    answer: str
    probability: str
    total: str
    knowledge: str


@dataclass(frozen=True)
class Kind:
    """The examples of one kind."""

    key: str
    title: str
    meaning: str
    examples: tuple[Example, ...]


def kinds(rows: Rows) -> list[Kind]:
    """Gives the examples of the newest row about the network that the page is about; kinds without any are left out."""
    found = [row for row in select(rows, "examples") if row.series]
    which = shipped(found)
    chosen = [row for row in found if variant(row) == which]
    if not chosen:
        return []
    told = _told(chosen[-1])
    sorted_out = ((key, [one for one in told if one["kind"] == key][:_MOST]) for key in KINDS)
    return [Kind(key, *KINDS[key], tuple(map(_example, found))) for key, found in sorted_out if found]


def picture(pixels: Any, shape: Any) -> str:
    """Gives an image as a PNG data address.

    Args:
        pixels: A flat list of integers from 0 to 255, channel after channel.
        shape: (1, H, W), (3, H, W) or (H, W).

    Returns:
        The address; empty where this is no such image.
    """
    try:
        channels, height, width = (1, *shape)[-3:]
        array = np.array(pixels, dtype=np.float64).reshape(channels, height, width)
    except (TypeError, ValueError, OverflowError):
        return ""
    if channels not in {1, 3} or not 1 <= min(height, width) <= max(height, width) <= _LARGEST_SIDE:
        return ""
    whole = np.nan_to_num(array).clip(0, 255).round().astype(np.uint8)
    image = Image.fromarray(whole[0] if whole.shape[0] == 1 else np.ascontiguousarray(whole.transpose(1, 2, 0)))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _told(row: Measurement) -> list[dict[str, Any]]:
    """Turns the row's lists into one dict an example; a list that is too short gives None."""
    series = {name: found for name, found in (row.series or {}).items() if isinstance(found, list | tuple)}
    count = len(series.get("kind", ()))
    return [{name: _at(found, index) for name, found in series.items()} for index in range(count)]


def _at(found: Sequence[Any], index: int) -> Any:
    return found[index] if index < len(found) else None


def _example(told: dict[str, Any]) -> Example:
    return Example(
        image=picture(told.get("pixels"), told.get("shape")),
        label=_word(told.get("label")),
        answer=_word(told.get("answer")),
        probability=_figure(told.get("probability"), share=True),
        total=_figure(told.get("total")),
        knowledge=_figure(told.get("knowledge")),
    )


def _word(told: Any) -> str:
    if told is None:
        return ""
    return shown(told) if isinstance(told, float) else clean(told, 40)


def _figure(told: Any, *, share: bool = False) -> str:
    if not isinstance(told, int | float) or not np.isfinite(told):
        return ""
    if share:
        return f"{100 * told:.1f} %"
    return "< 0.001" if 0 < abs(told) < 0.001 else significant(float(told), 2)
