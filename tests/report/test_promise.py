from bitsback.report.page import render
from bitsback.report.promise import promise

from .journal import ENSEMBLE, row

OF = {**ENSEMBLE, "split": "calibration", "score": "knowledge", "error_rate": 0.02, "confidence": 0.95}


def test_a_promise_is_told_with_all_that_it_rests_on():
    kept = promise([row("threshold", 0.71294, **OF), row("calibration_coverage", 0.875, **OF)])
    assert kept is not None
    assert kept.sentence == (
        "it declines where knowledge > 0.7129, so that with confidence 0.95 at most 2 % of its answers are wrong; it answers "
        "87.50 % of the calibration split"
    )


def test_a_regression_says_how_far_off_is_wrong():
    kept = promise([row("threshold", 0.5, **OF, tolerance=40.0)])
    assert kept is not None
    assert kept.sentence.endswith("at most 2 % of its answers are off by more than 40")


def test_without_a_threshold_or_with_one_that_does_not_say_of_what_there_is_none():
    assert promise([]) is None
    assert promise([row("threshold", 0.5, **ENSEMBLE)]) is None
    assert promise([row("threshold", None, **OF)]) is None


def test_it_stands_at_the_top_of_the_page():
    rows = [row("threshold", 0.5, **OF), row("coverage", 0.9, **ENSEMBLE)]
    page = render(rows, title="x")
    assert "at most 2\u00a0% of its answers are wrong" in page[: page.index("</header>")]
    assert "promise" not in render([row("coverage", 0.9, **ENSEMBLE)], title="x").partition("<body>")[2].lower()
