import math

import pytest

from bitsback.report.quantity import between, clean, quantity, ratio, shown, significant, tail, times


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.98412, "share", "98.41 %"),
        (1.0, "share", "100.0 %"),
        (2.13e-4, "seconds", "213 µs"),
        (0.0021, "seconds", "2.10 ms"),
        (412.0, "bytes", "412 B"),
        (89_400.0, "bytes", "89.4 kB"),
        (478_410, "count", "478,410"),
        (0.0529, "number", "0.0529"),
        (-5.25, "number", "−5.25"),
        (0, "number", "0"),
        (2.213, "times", "2.21×"),
        (None, "share", "n/a"),
        (math.nan, "bytes", "n/a"),
        (math.inf, "number", "n/a"),
    ],
)
def test_shown(value, kind, text):
    assert shown(value, kind) == text


@pytest.mark.parametrize("value", [1e-9, 0.000_51, 0.0999, 1.0, 12.34, 999.6, 123_456.0, 1e12])
def test_significant_keeps_three_digits(value):
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=5e-3)


def test_a_range_says_its_unit_once():
    assert between((1.05e-4, 1.18e-4), "seconds") == "105–118 µs"
    assert between((9.5e-4, 1.2e-3), "seconds") == "950 µs – 1.20 ms"
    assert between((1.0, 2.0)) == "1.00–2.00"


def test_a_ratio_says_which_way():
    assert times(9.11, "smaller", "larger") == "9.11× smaller"
    assert times(0.5, "smaller", "larger") == "2.00× larger"
    assert times(1.001, "smaller", "larger") == "the same"
    assert ratio(2.0, 6.0) == 3.0
    assert all(ratio(*pair) is None for pair in ((0.0, 1.0), (1.0, None), (None, 1.0), (-1.0, 2.0), (math.nan, 1.0)))


def test_clean_keeps_what_can_be_printed():
    assert clean("a\x00\x1b[0m\nb\ud800") == "a[0m b"
    assert clean("x" * 100, 10) == "x" * 9 + "…"


def test_tail_keeps_the_end():
    assert tail("module.layer2.conv1.weight", 14) == "…conv1.weight"
    assert tail("short", 14) == "short"
    assert tail("backbone.stage.layer1.0.conv1", 26) == "…stage.layer1.0.conv1"
    assert tail("x" * 30, 10) == "…" + "x" * 9


def test_an_unknown_quantity_is_a_plain_number():
    assert quantity("something_new").better == ""
