"""The numbers behind the figures, as tables."""

from bitsback.report.evidence import Rows
from bitsback.report.figures.layers import layers
from bitsback.report.figures.sparsity import METRICS, curves
from bitsback.report.quantity import quantity, shown
from bitsback.report.tables import Cell, Table, title_of


def sweep(rows: Rows) -> list[Table]:
    """Gives the numbers behind the sparsity curves: one table for each metric, one row for each way of pruning."""
    tables = []
    for what in METRICS:
        lines = curves(rows, what)
        named = quantity(what)
        levels = sorted({float(x) for line in lines for x in line.x})
        body = []
        for line in lines:
            at = dict(zip(map(float, line.x), map(float, line.y), strict=True))
            body.append((line.label, tuple(Cell(shown(at[x], named.kind) if x in at else "–") for x in levels)))
        if body:
            head = tuple(f"{100 * level:g} %" for level in levels)
            tables.append(Table(title_of(named), "", ("pruned", *head), tuple(body)))
    return tables


def every_layer(rows: Rows) -> Table | None:
    """Lists every layer, also those that the bars gather."""
    found = layers(rows)
    if not found:
        return None
    body = tuple(
        (
            layer.name,
            (
                Cell(layer.shape),
                Cell(shown(layer.parameters, "count")),
                Cell(shown(layer.kept, "count")),
                Cell(f"{100 * layer.kept / layer.parameters:.1f} %" if layer.parameters else "–"),
                Cell(shown(layer.bytes, "bytes")),
            ),
        )
        for layer in found
    )
    return Table("All layers", "", ("layer", "shape", "parameters", "kept", "share", "bytes"), body)
