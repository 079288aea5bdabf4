import pytest

from bitsback.report.figures.moments import drawn


def figure(error, ratio):
    found = drawn(["conv2d", "linear"], [error, error / 2], [ratio, (0.99, 1.0, 1.01)])
    found.draw_without_rendering()
    return found


def labels(axes):
    low, high = axes.get_xlim()
    return [text.get_text() for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]


@pytest.mark.parametrize(
    "ratio", [(0.975, 1.0, 1.05), (0.87, 0.9, 0.93), (0.3, 0.5, 2.4), (0.0, 0.1, 0.2), (1.2, 3, 6.9)]
)
def test_the_standard_deviations_axis_has_a_tick_where_nothing_is_off(ratio):
    _, right = figure(0.01, ratio).axes
    assert "1.00" in labels(right)
    assert len(labels(right)) >= 3


@pytest.mark.parametrize("error", [2e-6, 0.0013, 0.004, 0.03, 0.7, 3.0])
def test_a_share_has_no_more_digits_than_it_needs(error):
    left, _ = figure(error, (0.97, 1.0, 1.05)).axes
    said = [label.removesuffix("%") for label in labels(left)]
    assert said[0] == "0"
    assert len(said) >= 3
    for each in said[1:]:
        assert "e" in each or "." not in each or not each.endswith("0")
        assert float(each) > 0


def test_what_is_drawn_is_named():
    (legend,) = figure(0.01, (0.97, 1.0, 1.05)).legends
    assert [text.get_text() for text in legend.get_texts()] == ["median", "quartiles", "within 10 %"]
