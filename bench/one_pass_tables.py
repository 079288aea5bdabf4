"""The tables of the one-pass study, from its rows."""

from collections.abc import Sequence

from bench.markdown import table
from bench.weight_pruning_tables import FIGURES
from bitsback.measure.journal import Measurement, latest

_QUALITY = {{"predictive_accuracy": "accuracy"}.get(what, what): shown for what, shown in FIGURES.items()}
_TITLES = {
    "point": "posterior mean",
    "one_pass": "one pass",
    "one_pass_bfloat16": "one pass, bfloat16",
    "one_pass_tied": "one pass, tied variances",
    "one_pass_factored": "one pass, factored convolutions",
    "one_pass_calibrated": "one pass, calibrated",
    "svi": "30 draws",
    "svi_all": "300 draws",
    "onnx_runtime": "posterior mean, ONNX Runtime",
    "svi_predrawn": "30 draws made beforehand, vectorized, PyTorch",
    "svi_local_reparametrization": "30 draws by local reparametrization, PyTorch",
    "svi_loop": "30 draws made beforehand, one after the other, PyTorch",
    "svi_pyro": "30 draws by Pyro's Predictive",
    "svi_onnx_runtime": "30 stacked members, ONNX Runtime",
}


def is_quality(row: Measurement) -> bool:
    """Whether a row is for the table of quality."""
    return "way" in row.of and row.what in _QUALITY and row.value is not None


def is_latency(row: Measurement) -> bool:
    """Whether a row is for the table of latencies."""
    return "side" in row.of and row.value is not None and (row.what == "floor" or "caches" in row.of)


def quality(rows: Sequence[Measurement]) -> str:
    """A line a posterior and way to predict, of rows that `is_quality` lets through, whatever engine the newest are of."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    several: set[tuple[str, str, str]] = set()
    newest = latest(rows)
    for row in sorted(newest, key=lambda row: row.time):
        key = (str(row.of["posterior"]), str(row.of["way"]), str(row.of["inputs"]))
        assert row.value is not None
        found.setdefault(key, {})[row.what] = row.value
        (several.add if row.repeats > 1 else several.discard)(key)
    ways, posteriors = [*_TITLES], [*dict.fromkeys(str(row.of["posterior"]) for row in newest)]
    ordered = sorted(found, key=lambda key: (posteriors.index(key[0]), ways.index(key[1])))
    lines = [
        [
            posterior,
            _TITLES[way] + (", mean of ten sets" if (posterior, way, inputs) in several else ""),
            inputs,
            *(f"{scale * line[what]:.{digits}f}" for what, (_, scale, digits) in _QUALITY.items()),
        ]
        for posterior, way, inputs in ordered
        for line in (found[posterior, way, inputs],)
    ]
    return table(["posterior", "way", "inputs", *(title for title, _, _ in _QUALITY.values())], lines)


def latency(rows: Sequence[Measurement]) -> str:
    """A line a posterior, batch and side: microseconds, the floor, and the ratio to ONNX Runtime's deterministic network.

    Args:
        rows: What `is_latency` lets through.
    """
    newest = latest(rows)
    ratios = {_key(row): row for row in newest if row.what == "latency_ratio" and "beside" not in row.of}
    floors = {_key(row)[:3]: row for row in newest if row.what == "floor"}
    others = {_key(row): row for row in newest if row.what == "latency" and row.of.get("caches") == "others'"}
    lines = []
    for row in newest:
        if row.what != "latency" or row.of.get("caches") != "own":
            continue
        posterior, side, batch, _ = _key(row)
        floor = floors.get((posterior, side.removesuffix("_tuned"), batch))
        cold = others.get((posterior, side, batch, "others'"))
        lines.append([
            posterior,
            str(batch),
            _side(side),
            _with_spread(row, 1e6, 1),
            _ratio(ratios.get(_key(row))),
            "" if floor is None else f"{1e6 * (floor.value or 0.0):.1f}",
            "" if cold is None else _with_spread(cold, 1e6, 1),
        ])
    head = [
        "posterior",
        "batch",
        "side",
        "own caches: µs, quartiles",
        "beside ONNX Runtime's posterior mean",
        "floor, µs",
    ]
    return table([*head, "others' caches: µs, quartiles"], lines)


def _side(side: str) -> str:
    way = side.removesuffix("_tuned")
    native = way == "point" or way.startswith("one_pass")
    return _TITLES[way] + (", native" if native else "") + (", tuned" if side != way else "")


def _key(row: Measurement) -> tuple[str, str, int, str]:
    of = row.of
    return str(of["posterior"]), str(of["side"]), int(of["batch"]), str(of.get("caches", ""))


def _ratio(row: Measurement | None) -> str:
    return "1" if row is None else _with_spread(row, 1.0, 2)


def _with_spread(row: Measurement, scale: float, digits: int) -> str:
    assert row.value is not None
    spread = "" if row.spread is None else f" ({scale * row.spread[0]:.{digits}f}–{scale * row.spread[1]:.{digits}f})"
    return f"{scale * row.value:.{digits}f}{spread}"
