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
    "svi": "30 draws, mean of ten sets",
    "svi_all": "300 draws",
    "onnx_runtime": "posterior mean, ONNX Runtime",
    "svi_predrawn": "30 draws made beforehand, vectorized, PyTorch",
    "svi_local_reparametrization": "30 draws by local reparametrization, PyTorch",
    "svi_onnx_runtime": "30 stacked members, ONNX Runtime",
}


def quality(rows: Sequence[Measurement]) -> str:
    """A line a posterior and way to predict."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in latest(rows):
        if row.what in _QUALITY and row.value is not None and "way" in row.of:
            key = (str(row.of["posterior"]), str(row.of["way"]), str(row.of["inputs"]))
            found.setdefault(key, {})[row.what] = row.value
    lines = [
        [
            posterior,
            _TITLES[way],
            inputs,
            *(f"{scale * line[what]:.{digits}f}" for what, (_, scale, digits) in _QUALITY.items()),
        ]
        for (posterior, way, inputs), line in found.items()
    ]
    return table(["posterior", "way", "inputs", *(title for title, _, _ in _QUALITY.values())], lines)


def latency(rows: Sequence[Measurement]) -> str:
    """A line a posterior, batch and side: microseconds, and the ratio to the deterministic network in ONNX Runtime."""
    newest = [row for row in latest(rows) if "side" in row.of and row.value is not None]
    ratios = {_key(row): row for row in newest if row.what == "latency_ratio" and "beside" not in row.of}
    lines = []
    for row in newest:
        if row.what != "latency":
            continue
        posterior, side, batch = _key(row)
        title = _TITLES[side] + (
            ", native" if side in ("point", "one_pass", "one_pass_bfloat16", "one_pass_tied") else ""
        )
        lines.append([
            posterior,
            str(batch),
            title,
            _with_spread(row, 1e6, 1),
            _ratio(ratios.get((posterior, side, batch))),
        ])
    return table(["posterior", "batch", "side", "µs, quartiles", "beside ONNX Runtime's posterior mean"], lines)


def _key(row: Measurement) -> tuple[str, str, int]:
    return str(row.of["posterior"]), str(row.of["side"]), int(row.of["batch"])


def _ratio(row: Measurement | None) -> str:
    return "1" if row is None else _with_spread(row, 1.0, 2)


def _with_spread(row: Measurement, scale: float, digits: int) -> str:
    assert row.value is not None
    spread = "" if row.spread is None else f" ({scale * row.spread[0]:.{digits}f}–{scale * row.spread[1]:.{digits}f})"
    return f"{scale * row.value:.{digits}f}{spread}"
