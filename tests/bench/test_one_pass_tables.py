"""The tables of the one-pass study."""

from bench.one_pass_tables import quality
from bitsback.measure.journal import Measurement

FIGURES = ("accuracy", "nll", "ece", "ood_auroc_total", "ood_auroc_knowledge")


def rows(engine, value, time, repeats=1):
    of = {"posterior": "net", "way": "one_pass", "inputs": 10, "engine": engine}
    return [Measurement(what, value, "1", of, repeats=repeats, time=time) for what in FIGURES]


def test_a_way_stands_in_one_line_with_the_newest_figures_of_whatever_engine():
    before = [*rows("PyTorch", 0.2, "2026-01-01"), *rows("native", 0.3, "2026-01-02", repeats=10)]
    assert quality(before).count("| net |") == 1
    assert "one pass, mean of ten sets | 10 | 30.00 |" in quality(before)
    after = [*before, *rows("PyTorch", 0.4, "2026-01-03")]
    assert "| one pass | 10 | 40.00 |" in quality(after)
