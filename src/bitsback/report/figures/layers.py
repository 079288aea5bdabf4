"""Where the parameters and the bytes are: one bar a layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import REFERENCE, Rows, Variant, columns, select, shipped, variant
from bitsback.report.figures.bars import Bars, card
from bitsback.report.figures.canvas import Card
from bitsback.report.quantity import clean, shown

_MOST = 24


@dataclass(frozen=True)
class Layer:
    """A layer or a param of one: name, shape as text, parameters and how many are kept, bytes packed and dense."""

    name: str
    shape: str
    parameters: float
    kept: float
    bytes: float
    dense_bytes: float | None


def params(rows: Rows) -> list[Layer]:
    """Gives every param of the network that the page is about, beside the same form of the dense one, in order."""
    chosen, reference = _chosen(rows)
    numbers = columns(chosen, "parameters", "kept", "bytes") if chosen else None
    if chosen is None or numbers is None:
        return []
    names, shapes = (_texts(chosen, name, numbers[0].size) for name in ("name", "shape"))
    dense = _dense_bytes(reference)
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


def layers(rows: Rows) -> list[Layer]:
    """Gives the layers: the params of one module taken together, by the module's name."""
    together: dict[str, list[Layer]] = {}
    for param in params(rows):
        together.setdefault(param.name.rpartition(".")[0] or param.name, []).append(param)
    return [_sum(f"layer {name}" if name.isdigit() else name, each) for name, each in together.items()]


def cards(rows: Rows) -> list[Card]:
    """Draws parameters and bytes, one bar a layer."""
    found = layers(rows)
    chosen, reference = _chosen(rows)
    if not found or chosen is None:
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
        "What each layer takes in the file" + (", over what it takes in that of the dense network." if both else "."),
        "bytes",
        (variant(reference).name if reference and both else "", variant(chosen).name or "packed"),
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


def _chosen(rows: Rows) -> tuple[Measurement | None, Measurement | None]:
    """Gives the row of the network that the page is about, and the dense one to set beside it."""
    found = {variant(row): row for row in select(rows, "layers") if columns(row, "parameters", "kept", "bytes")}
    which = shipped(found.values())
    if which is None:
        return None, None
    beside = Variant(REFERENCE.stage, which.form)
    return found[which], found.get(beside) if beside != which else None


def _sum(name: str, parts: Sequence[Layer]) -> Layer:
    if len(parts) == 1:
        return replace(parts[0], name=name)
    dense = [part.dense_bytes for part in parts if part.dense_bytes is not None]
    return Layer(
        name,
        "",
        sum(part.parameters for part in parts),
        sum(part.kept for part in parts),
        sum(part.bytes for part in parts),
        sum(dense) if len(dense) == len(parts) else None,
    )


def _dense_bytes(row: Measurement | None) -> dict[str, float]:
    sizes = columns(row, "bytes") if row else None
    return dict(zip(_texts(row, "name", sizes[0].size), map(_size, sizes[0]), strict=True)) if row and sizes else {}


def _texts(row: Measurement, name: str, count: int) -> list[str]:
    """Gives one text a layer, made up where the row has none."""
    found = (row.series or {}).get(name)
    texts = [clean(one, 60) for one in found] if isinstance(found, list | tuple) else []
    return texts if len(texts) == count else [f"layer {index + 1}" if name == "name" else "" for index in range(count)]


def _size(value: float) -> float:
    return max(0.0, float(value)) if math.isfinite(value) else 0.0
