"""Where the parameters and the bytes are: one bar a layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, columns, select, variant
from bitsback.report.figures.bars import Bars, card
from bitsback.report.figures.canvas import Card
from bitsback.report.quantity import clean, shown

_MOST = 14


@dataclass(frozen=True)
class Layer:
    """A layer: name, shape as text, parameters and how many are kept, bytes in the packed and in the dense file."""

    name: str
    shape: str
    parameters: float
    kept: float
    bytes: float
    dense_bytes: float | None


def layers(rows: Rows) -> list[Layer]:
    """Gives the layers of the newest `layers` row (of the compressed network, where there is one), in their order."""
    found = [row for row in select(rows, "layers") if columns(row, "parameters", "kept", "bytes")]
    compressed = [row for row in found if variant(row).stage != "dense"]
    chosen = (compressed or found or [None])[-1]
    numbers = columns(chosen, "parameters", "kept", "bytes") if chosen else None
    if chosen is None or numbers is None:
        return []
    names, shapes = (_texts(chosen, name, numbers[0].size) for name in ("name", "shape"))
    dense = _dense_bytes(found) if compressed else {}
    shapes = [shape.strip("[]()").replace(", ", " × ") for shape in shapes]
    parameters, kept, sizes = ([_size(one) for one in each] for each in numbers)
    return [
        Layer(
            names[i],
            shapes[i],
            parameters[i],
            kept[i],
            sizes[i],
            dense.get(names[i]),
        )
        for i in range(len(names))
    ]


def cards(rows: Rows) -> list[Card]:
    """Draws parameters and bytes, one bar a layer."""
    found = layers(rows)
    if not found:
        return []
    drawn, note = _largest(found)
    both = any(layer.dense_bytes is not None for layer in drawn)
    parameters = Bars(
        "layers-parameters",
        "Parameters by layer",
        "The pale bar is what the layer had, the solid one what it kept.",
        "count",
        ("all", "kept"),
        tuple((layer.name, layer.parameters, layer.kept) for layer in drawn),
    )
    size = Bars(
        "layers-bytes",
        "Bytes by layer",
        "What each layer takes in the packed file" + (", over what it takes in the dense one." if both else "."),
        "bytes",
        ("dense" if both else "", "packed"),
        tuple((layer.name, layer.dense_bytes or 0.0, layer.bytes) for layer in drawn),
    )
    return [card(each, note) for each in (parameters, size) if any(pale or solid for _, pale, solid in each.bars)]


def _largest(found: Sequence[Layer]) -> tuple[list[Layer], str]:
    """Keeps the largest layers in their order and says what the others hold together."""
    kept = sorted(found, key=lambda layer: -layer.parameters)[:_MOST]
    rest = [layer for layer in found if layer not in kept]
    parameters, size = sum(layer.parameters for layer in rest), sum(layer.bytes for layer in rest)
    note = (
        f"The {_MOST} largest of {len(found)} layers are drawn; the others hold {shown(parameters, 'count')} "
        f"parameters in {shown(size, 'bytes')}."
    )
    return [layer for layer in found if layer in kept], note if rest else ""


def _dense_bytes(found: Sequence[Measurement]) -> dict[str, float]:
    dense = [row for row in found if variant(row).stage == "dense"]
    sizes = columns(dense[-1], "bytes") if dense else None
    return dict(zip(_texts(dense[-1], "name", sizes[0].size), map(_size, sizes[0]), strict=True)) if sizes else {}


def _texts(row: Measurement, name: str, count: int) -> list[str]:
    """Gives one text a layer, made up where the row has none."""
    found = (row.series or {}).get(name)
    texts = [clean(one, 60) for one in found] if isinstance(found, list | tuple) else []
    return texts if len(texts) == count else [f"layer {index + 1}" if name == "name" else "" for index in range(count)]


def _size(value: float) -> float:
    return max(0.0, float(value)) if math.isfinite(value) else 0.0
