"""The tables of the study of shared structures, and the last line of its bench."""

from bench import shared_ensemble
from bench.shared_ensemble_tables import is_bytes, is_latency, is_quality, latency, quality, sizes
from bitsback.measure.journal import Measurement

OF = {"case": "mlp-mnist", "way": "shared_32_int8", "members": 32, "sparsity": 0.95}
QUALITY = [
    Measurement("accuracy", 0.985, "1", OF),
    Measurement("nll", 0.05, "nat", OF, spread=(0.04, 0.06), repeats=32),
    Measurement("bytes_ratio", 0.3, "1", {**OF, "beside": "dense float32"}),
]
BYTES = [
    Measurement(what, 1000.0 * index, "bytes", OF)
    for index, what in enumerate(("coordinates_each", "coordinates_shared", "weights_bytes", "graph_bytes"), 1)
]
SIDE = {"case": "mlp-mnist", "side": "shared_32_int8_tuned", "batch": 1}
LATENCY = [
    Measurement("latency", 1e-4, "s", {**SIDE, "side": "onnx_runtime"}, spread=(9e-5, 2e-4)),
    Measurement("latency", 5e-5, "s", SIDE),
    Measurement("latency_ratio", 0.5, "1", SIDE, spread=(0.4, 0.6)),
    Measurement("floor", 2e-5, "s", {"case": "mlp-mnist", "side": "shared_32_int8"}),
]


def test_each_row_is_for_one_table():
    for rows, mine in ((QUALITY, is_quality), (BYTES, is_bytes), (LATENCY, is_latency)):
        for row in rows:
            assert [is_it(row) for is_it in (is_quality, is_bytes, is_latency)].count(True) == 1
            assert mine(row)


def test_tables_show_the_figures():
    assert "| mlp-mnist | 32 members, of one structure, int8 | 5.0 | 98.50 | 0.0500 (0.0400–0.0600) | – |" in quality(
        QUALITY
    )
    assert quality(QUALITY).endswith("| 0.300 |")
    assert "| 1,000 | 2,000 | 3,000 | 4,000 |" in sizes(BYTES)
    assert "| one dense network, ONNX Runtime float32 | 100.0 (90.0–200.0) | 1 |  |" in latency(LATENCY)
    assert "int8, native, tuned | 50.0 | 0.50 (0.40–0.60) | 20.0 |" in latency(LATENCY)


def test_a_table_has_the_newest_rows_of_the_ways_that_there_are():
    newer = Measurement("accuracy", 0.99, "1", {**OF, "sparsity": 0.97}, time="2026-11-30T00:00:00")
    gone = Measurement("accuracy", 0.5, "1", {**OF, "way": "shared_5_int8"})
    for rows in ([*QUALITY, newer, gone], [gone, newer, *QUALITY]):
        assert "int8 | 3.0 | 99.00 |" in quality(rows)
        assert "50.00" not in quality(rows)


def test_the_last_line_has_bytes_and_the_fastest_library_of_what_is_on_record():
    slower = Measurement("latency_ratio", 0.7, "1", {**SIDE, "side": "shared_32_int8"})
    assert shared_ensemble._figures([*LATENCY, slower], QUALITY) == {"mlp_bytes": 0.3, "mlp_latency": 0.5}
    assert shared_ensemble._figures([], []) == {}
