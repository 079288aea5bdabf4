"""The loss while training."""

import numpy as np
from matplotlib.figure import Figure

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, columns, select
from bitsback.report.figures.canvas import Card, draw
from bitsback.report.figures.curves import Axis, plot
from bitsback.report.figures.lines import Line, described, style
from bitsback.report.quantity import clean

_PARTS = {
    "loss": ("Loss", "What is minimized, NLL + T · KL / samples; it should fall and level off.", "loss, nats a sample"),
    "nll": (
        "NLL while training",
        "The data's part of the loss; the KL keeps it from falling to zero.",
        "nats a sample",
    ),
    "kl": (
        "KL while training",
        "How far the posterior is from its prior: what its knowledge costs to write down.",
        "nats",
    ),
}


def cards(rows: Rows) -> list[Card]:
    """Draws the loss, its negative log likelihood and its KL over the epochs, where they were recorded."""
    found = ((part, _lines(select(rows, "loss_curve"), part)) for part in _PARTS)
    return [_card(part, lines) for part, lines in found if lines]


def _lines(rows: list[Measurement], part: str) -> list[Line]:
    lines = []
    for slot, row in enumerate(rows):
        found = columns(row, "epoch", part)
        if found is None or not np.isfinite(found[1]).any() or (part == "kl" and not np.nan_to_num(found[1]).any()):
            continue
        lines.append(Line(_name(row), found[0], found[1], style(slot), marked=False))
    return lines[:6]


def _name(row: Measurement) -> str:
    told = [row.of[key] for key in ("method", "inference", "stage") if key in row.of]
    return clean(told[0] if told else "loss", 26).replace("_", " ")


def _card(part: str, lines: list[Line]) -> Card:
    title, caption, axis = _PARTS[part]

    def paint(figure: Figure) -> None:
        plot(figure, lines, Axis("epoch", "count"), Axis(axis))

    return Card(f"training-{part}", title, caption, described(lines, "number"), draw(f"training-{part}", paint))
