"""Where the page's figures come from: by whom, with what, from which code."""

from collections.abc import Iterable
from dataclasses import dataclass

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import Rows, finite, is_packed, number, outsiders, select
from bitsback.report.quantity import clean, shown

_MOST = 6


@dataclass(frozen=True)
class Fact:
    """A name and what it was, several values where the rows differ."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Provenance:
    """The footer: facts, and warnings that a careful reader should know."""

    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]


def provenance(rows: Rows) -> Provenance:
    """Gathers what the rows say of their origin; what differs between rows is listed, not hidden."""
    versions = {f"{name} {version}" for row in rows for name, version in _pairs(row.versions)}
    temperatures = [row for row in select(rows, "temperature") if finite(row)]
    told = [
        ("command", (row.command for row in rows)),
        ("device", (row.device for row in rows)),
        ("out of distribution", (outsiders(rows),)),
        ("commit", (_commit(row) for row in rows)),
        ("seed", (row.seed for row in rows if row.seed is not None)),
        ("temperature T", (shown(row.value) for row in temperatures)),
        (
            "sparsity",
            (
                shown(number(row, "sparsity"), "share")
                for row in rows
                if is_packed(row) and number(row, "sparsity") is not None
            ),
        ),
        ("versions", sorted(versions)),
        ("measured", _span(rows)),
        ("rows", (f"{len(rows)}",)),
    ]
    facts = (Fact(name, _distinct(values)) for name, values in told)
    return Provenance(tuple(fact for fact in facts if fact.values), tuple(_warnings(rows)))


def _warnings(rows: Rows) -> list[str]:
    said = []
    if any(row.dirty for row in rows):
        said.append("Some rows were measured from code with uncommitted changes.")
    if len({row.commit for row in rows if row.commit}) > 1:
        said.append("The rows come from more than one commit.")
    if len({row.device for row in rows if row.what == "latency"}) > 1:
        said.append("Latencies come from more than one device: compare those of one.")
    return said


def _commit(row: Measurement) -> str:
    return f"{row.commit[:12]}{' with changes' if row.dirty else ''}" if row.commit else ""


def _span(rows: Rows) -> list[str]:
    times = sorted(clean(row.time, 40) for row in rows if row.time)
    return [] if not times else [times[0]] if times[0] == times[-1] else [f"{times[0]} to {times[-1]}"]


def _pairs(versions: object) -> Iterable[tuple[str, str]]:
    return versions.items() if isinstance(versions, dict) else ()


def _distinct(values: Iterable[object]) -> tuple[str, ...]:
    texts = list(dict.fromkeys(clean(found, 160) for found in values if found not in {"", None}))
    return tuple(texts) if len(texts) <= _MOST else (*texts[:_MOST], f"and {len(texts) - _MOST} more")
