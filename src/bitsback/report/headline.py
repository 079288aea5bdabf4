"""The figures at the top of the page: the packed network beside the dense one, as a number and two bars each."""

from collections.abc import Sequence
from dataclasses import dataclass

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import (
    REFERENCE,
    Rows,
    Variant,
    devices,
    factor,
    finite,
    on,
    settled,
    shipped,
    value,
    variants,
)
from bitsback.report.quantity import Kind, clean, quantity, shown, times
from bitsback.report.tables import batches


@dataclass(frozen=True)
class Bar:
    """A bar of a tile: whose it is, its length in percent of the longest, and the figure it stands for."""

    name: str
    percent: float
    text: str


@dataclass(frozen=True)
class Tile:
    """A headline number: what it is, the number in words, small print, and two bars of which the shorter is better."""

    name: str
    figure: str
    detail: str
    bars: tuple[Bar, ...] = ()


def about(rows: Rows) -> Variant | None:
    """Gives the network whose figures are the headlines: the packed one, else the last that was measured."""
    found = settled(rows)
    packed = shipped(row for row in found if row.what == "file_bytes" and finite(row))
    return packed or shipped(row for row in found if finite(row) and row.of.get("stage"))


def lead(rows: Rows) -> str:
    """Says what the headlines are about."""
    which = about(rows)
    if which is None or not tiles(rows):
        return "Nothing is measured yet."
    if which == REFERENCE:
        return "So far only the dense network is measured."
    said = f"The headline is the {which.name} network beside the dense point. In every bar, shorter is better."
    measured = variants(settled(rows))
    like = [
        f" Small print sets it beside the {one.name}, like with like." for one in _dense(which)[1:] if one in measured
    ]
    return "".join([said, *like])


def tiles(rows: Rows) -> list[Tile]:
    """Gives the headline numbers that the journal has rows for."""
    found, which = settled(rows), about(rows)
    if which is None:
        return []
    made = [
        _compared(found, "file_bytes", which, ("smaller", "larger")),
        _latency(found, which),
        _weights(found, which),
        _error(found, which),
        _compared(found, "nll", which, ("lower", "higher")),
        _declined(found, which),
    ]
    return [tile for tile in made if tile is not None]


def _latency(rows: Rows, which: Variant) -> Tile | None:
    made = (
        _compared(found, "latency", which, ("faster", "slower"), batch=batch)
        for found in (on(rows, device) for device in devices(rows))
        for batch in batches(found)
    )
    return next((tile for tile in made if tile is not None), None)


def _weights(rows: Rows, which: Variant) -> Tile | None:
    kept = value(rows, "kept_parameters", which) or _any_form(rows, "kept_parameters", which.stage)
    whole = value(rows, "parameters", which) or _any_form(rows, "parameters", "")
    if kept is None or whole is None or not whole.value or kept.value is None:
        return None
    share = kept.value / whole.value
    return Tile(
        "Weights kept",
        f"{100 * share:.3g} %",
        "",
        _bars((("dense", whole.value), (clean(which.stage, 16), kept.value)), "count"),
    )


def _error(rows: Rows, which: Variant) -> Tile | None:
    now, before = value(rows, "accuracy", which), value(rows, "accuracy", REFERENCE)
    if now is None or now.value is None:
        return _compared(rows, "rmse", which, ("lower", "higher"))
    pairs = [(_short(which, REFERENCE), 1.0 - now.value)]
    if before is not None and before.value is not None:
        pairs.insert(0, (_short(REFERENCE, which), 1.0 - before.value))
    others = [(one.name, value(rows, "accuracy", one)) for one in _dense(which)]
    gained = [
        f"{_points(now.value - row.value)} beside the {name}"
        for name, row in others
        if row is not None and row.value is not None
    ]
    detail = "; ".join([*gained, "the bars are wrong answers"]) if gained else ""
    return Tile("Accuracy", shown(now.value, "share"), detail, _bars(pairs, "share"))


def _declined(rows: Rows, which: Variant) -> Tile | None:
    coverage, error, strange = (value(rows, what, which) for what in ("coverage", "selective_error", "ood_declined"))
    if coverage is None or coverage.value is None:
        return None
    whole = value(rows, "accuracy", which)
    figures = [("answering all", 1.0 - whole.value)] if whole is not None and whole.value is not None else []
    figures += [("when sure", error.value)] if error is not None and error.value is not None else []
    bars = _bars(figures, "share")
    outside = "" if strange is None else f", {shown(strange.value, 'share')} of out-of-distribution inputs"
    detail = f"declines {shown(1.0 - coverage.value, 'share')} of test inputs{outside}"
    detail += "; the bars are wrong answers" if bars else ""
    return Tile("Answers", shown(coverage.value, "share"), detail, bars)


def _compared(rows: Rows, what: str, which: Variant, words: tuple[str, str], **of: float | None) -> Tile | None:
    now, before = (value(rows, what, one, **of) for one in (which, REFERENCE))
    if now is None:
        return None
    named = quantity(what)
    name = f"{named.name}, batch {of['batch']:g}" if of.get("batch") else named.name
    less = factor(rows, what, which, **of)
    if less is None or before is None:
        return Tile(name, shown(now.value, named.kind), which.name)
    figures = ((_short(REFERENCE, which), before.value), (_short(which, REFERENCE), now.value))
    others = [(one.name, factor(rows, what, which, one, **of)) for one in _dense(which)[1:]]
    details = [f"{times(like, *words)} beside the {name}" for name, like in others if like is not None]
    return Tile(name, times(less, *words), "; ".join([*details, *_circumstances(now)]), _bars(figures, named.kind))


def _dense(which: Variant) -> list[Variant]:
    """Gives the dense networks that one is set beside: the reference, then the one in its own form where that is another."""
    found = dict.fromkeys((REFERENCE, Variant(REFERENCE.stage, which.form)))
    return [one for one in found if one != which]


def _circumstances(row: Measurement) -> list[str]:
    """Says how a latency was measured; other figures have no circumstances."""
    if row.what != "latency":
        return []
    return [f"median of {row.repeats:,} calls on {clean(row.device, 60) or 'an unnamed device'}"]


def _bars(figures: Sequence[tuple[str, float | None]], kind: Kind) -> tuple[Bar, ...]:
    """Gives bars whose longest fills the tile; none where there is nothing to compare."""
    lengths = [(name, max(0.0, length or 0.0)) for name, length in figures]
    longest = max((length for _, length in lengths), default=0.0)
    if longest <= 0 or len({name for name, _ in lengths}) < 2:
        return ()
    return tuple(Bar(name, round(100 * length / longest, 2), shown(length, kind)) for name, length in lengths)


def _any_form(rows: Rows, what: str, stage: str) -> Measurement | None:
    found = [row for row in rows if row.what == what and finite(row) and stage in {"", row.of.get("stage")}]
    return found[-1] if found else None


def _short(one: Variant, other: Variant) -> str:
    """Names one of two networks by what tells it from the other: its stage, its form, or both."""
    told = [word for word, same in zip(one, other, strict=True) if word != same]
    return clean(" ".join(told), 24)


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f} points".replace("-", "−")
