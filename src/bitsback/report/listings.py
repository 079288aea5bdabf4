"""The numbers behind the figures, as tables."""

from bitsback.report.evidence import Rows
from bitsback.report.figures.layers import params
from bitsback.report.figures.sparsity import METRICS, curves
from bitsback.report.quantity import quantity, shown
from bitsback.report.tables import Cell, Line, Table


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
            cells = tuple(Cell(shown(at[x], named.kind) if x in at else "–") for x in levels)
            body.append(Line(line.label, cells))
        if body:
            head = tuple(f"{100 * level:g} %" for level in levels)
            tables.append(Table(named.title, "", ("pruned", *head), tuple(body)))
    return tables


def every_layer(rows: Rows) -> Table | None:
    """Lists every param of every layer."""
    found = params(rows)
    if not found:
        return None
    body = tuple(
        Line(
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
    return Table("All params", "", ("param", "shape", "parameters", "kept", "share", "bytes"), body)
