"""The tables of the study of shared structures, from its rows."""

from collections.abc import Mapping, Sequence

from bench.markdown import table
from bitsback.measure.journal import Measurement, latest
from examples.shared_ensemble.cases import CASES
from examples.shared_ensemble.ways import ways

_FIGURES = {
    "accuracy": ("accuracy, %", 100.0, 2),
    "nll": ("NLL, nats", 1.0, 4),
    "ece": ("ECE, %", 100.0, 2),
    "ood_auroc_total": ("OOD AUROC, total", 1.0, 3),
    "ood_auroc_knowledge": ("OOD AUROC, knowledge", 1.0, 3),
    "misclassification_auroc_total": ("misclassification AUROC, total", 1.0, 3),
}
_BYTES = {
    "coordinates_each": "coordinates of each member",
    "coordinates_shared": "coordinates once for all",
    "weights_bytes": "weights in the file",
    "graph_bytes": "graph",
}
_SIDES = {
    "onnx_runtime": "one dense network, ONNX Runtime float32",
    "onnx_runtime_int8": "one dense network, ONNX Runtime int8 (dynamic)",
}


def is_quality(row: Measurement) -> bool:
    """Whether a row is for the table of quality."""
    return "way" in row.of and row.value is not None and row.what in {*_FIGURES, "bytes_ratio"}


def is_bytes(row: Measurement) -> bool:
    """Whether a row is for the table of bytes."""
    return "way" in row.of and row.what in _BYTES and row.value is not None


def is_latency(row: Measurement) -> bool:
    """Whether a row is for the table of latencies."""
    return "side" in row.of and row.what in {"latency", "latency_ratio", "floor"} and row.value is not None


def quality(rows: Sequence[Measurement]) -> str:
    """A line a case and way to predict, of rows that `is_quality` lets through."""
    lines = [
        [case, _title(way), _kept(found), *(_shown(found, what) for what in _FIGURES), _ratio(found)]
        for (case, way), found in _by(rows, "way").items()
    ]
    titles = [title for title, _, _ in _FIGURES.values()]
    return table(["case", "way", "kept, %", *titles, "bytes, beside one dense network of float32"], lines)


def sizes(rows: Sequence[Measurement]) -> str:
    """A line a case and int8 ensemble: bytes in three ways to write its weights down."""
    lines = [
        [case, _title(way), *(f"{found[what].value:,.0f}" for what in _BYTES)]
        for (case, way), found in _by(rows, "way").items()
        if found.keys() >= _BYTES.keys()
    ]
    return table(["case", "way", *_BYTES.values()], lines)


def latency(rows: Sequence[Measurement]) -> str:
    """A line a case and side: microseconds of one call, the ratio to one dense network, and the floor."""
    floors = {key: found["floor"] for key, found in _by(rows, "side").items() if "floor" in found}
    lines = []
    for (case, side), found in _by(rows, "side").items():
        if "latency" not in found:
            continue
        floor = floors.get((case, side.removesuffix("_tuned")))
        over = found.get("latency_ratio")
        lines.append([
            case,
            _side(side),
            _with_spread(found["latency"], 1e6, 1),
            "1" if over is None else _with_spread(over, 1.0, 2),
            "" if floor is None else f"{1e6 * (floor.value or 0.0):.1f}",
        ])
    return table(["case", "side", "µs, quartiles", "beside one dense network of float32", "floor, µs"], lines)


def _by(rows: Sequence[Measurement], key: str) -> dict[tuple[str, str], dict[str, Measurement]]:
    """The newest rows by case and way or side, and then by what they are; of ways that the study no longer has, none."""
    found: dict[tuple[str, str], dict[str, Measurement]] = {}
    for row in latest(rows):
        case, name = str(row.of["case"]), str(row.of[key])
        if row.value is None or not _is_of_study(case, name):
            continue
        known = found.setdefault((case, name), {})
        if row.what not in known or known[row.what].time <= row.time:  # another structure is another row
            known[row.what] = row
    return found


def _is_of_study(case: str, name: str) -> bool:
    of = CASES.get(case)
    way = name.removesuffix("_tuned").removesuffix("_onnx_runtime")
    return of is not None and (name in _SIDES or way in ways(of.counts, of.stored))


def _title(way: str) -> str:
    name, *rest = way.split("_")
    of = {
        "single": "one network, dense, where the structure began",
        "structure": "one network, pruned in cycles",
        "dense": "dense",
        "shared": "of one structure",
    }[name]
    if not rest:
        return of if name in {"single", "structure"} else f"one network, {of}, mean over all"
    if rest[0].isdecimal():
        return f"{rest[0]} members, {of}{f', {rest[1]}' if rest[1:] else ''}"
    return f"one network, {of}, {rest[0]}, mean over all"


def _side(side: str) -> str:
    if side in _SIDES:
        return _SIDES[side]
    way = side.removesuffix("_tuned")
    if way.endswith("_onnx_runtime"):
        return f"{_title(way.removesuffix('_onnx_runtime'))}, stacked, ONNX Runtime"
    return f"{_title(way)}, native{', tuned' if side != way else ''}"


def _kept(found: Mapping[str, Measurement]) -> str:
    """Of the weights of the layers that are pruned."""
    gone = next(iter(found.values())).of.get("sparsity")
    return f"{100 * (1 - gone):.1f}" if isinstance(gone, float) else ""


def _shown(found: Mapping[str, Measurement], what: str) -> str:
    _, scale, digits = _FIGURES[what]
    return _with_spread(found[what], scale, digits) if what in found else "–"


def _ratio(found: Mapping[str, Measurement]) -> str:
    return _with_spread(found["bytes_ratio"], 1.0, 3) if "bytes_ratio" in found else "–"


def _with_spread(row: Measurement, scale: float, digits: int) -> str:
    assert row.value is not None
    spread = "" if row.spread is None else f" ({scale * row.spread[0]:.{digits}f}–{scale * row.spread[1]:.{digits}f})"
    return f"{scale * row.value:.{digits}f}{spread}"
