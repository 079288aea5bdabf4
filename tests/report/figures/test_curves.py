import itertools
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bitsback.report.figures.curves import Axis, few_ticks, plot, spread
from bitsback.report.figures.lines import Line, style


@given(st.lists(st.tuples(st.floats(-1, 2), st.floats(0.01, 0.1)), max_size=8))
def test_spread_keeps_neighbours_apart_and_in_order(wanted):
    places, gaps = [place for place, _ in wanted], [gap for _, gap in wanted]
    placed = spread(places, gaps)
    order = sorted(range(len(places)), key=lambda index: places[index])
    for one, other in itertools.pairwise(order):
        assert placed[other] - placed[one] >= (gaps[one] + gaps[other]) / 2 - 1e-9
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in placed)


def test_spread_leaves_alone_what_is_apart():
    assert spread([0.9, 0.1, 0.5], [0.1, 0.1, 0.1]) == [0.9, 0.1, 0.5]


def line(y):
    return Line("a", np.arange(len(y)), np.array(y), style(0))


def test_only_what_spans_a_wide_range_gets_a_logarithmic_axis():
    assert plot(Figure(), [line([1.0, 100.0])], Axis("x"), Axis("y")).get_yscale() == "log"
    assert plot(Figure(), [line([1.0, 2.0])], Axis("x"), Axis("y")).get_yscale() == "linear"
    assert plot(Figure(), [line([0.0, 100.0])], Axis("x"), Axis("y")).get_yscale() == "linear"
    assert plot(Figure(), [line([1.0, 100.0])], Axis("x"), Axis("y", linear=True)).get_yscale() == "linear"


def test_limits_that_are_given_hold():
    axes = plot(Figure(), [line([1.0, 100.0])], Axis("x"), Axis("y", limits=(0.0, 120.0)))
    assert (axes.get_yscale(), axes.get_ylim()) == ("linear", (0.0, 120.0))


def test_figures_beside_one_another_have_one_scale():
    alone, held = (plot(Figure(), [line([0.5, 0.6])], Axis("x"), Axis("y", holds=holds)) for holds in ((), (0.0, 1.0)))
    assert held.get_ylim()[0] < 0.0 < alone.get_ylim()[0]


def test_shares_that_hardly_differ_look_alike():
    low, high = plot(Figure(), [line([0.989, 0.990])], Axis("x"), Axis("y", "share")).get_ylim()
    assert high - low > 0.02


def test_a_flat_line_and_a_single_point_can_be_drawn():
    plot(Figure(), [line([0.0, 0.0])], Axis("x"), Axis("y", "share"))
    plot(Figure(), [line([3.0])], Axis("x"), Axis("y"))


def test_ticks_that_differ_read_differently():
    for low, high in ((0.0, 1.0), (0.981, 0.985), (-4.0, 3.0), (0.0, 9e4), (1e-4, 7e-4)):
        axes = Figure().add_subplot()
        axes.set_ylim(low, high)
        few_ticks(axes.yaxis, "share")
        texts = [axes.yaxis.get_major_formatter()(place, 0) for place in axes.yaxis.get_major_locator()()]
        assert len(set(texts)) == len(texts) >= 2


def test_a_name_takes_three_lines_at_most_and_says_that_it_is_cut():
    for name, expected in (
        ("with momentum and decay, early", "with momentum\nand decay,\nearly"),
        ("one two three four five six seven eight nine ten", "one two three\nfour five six\nseven eight…"),
        ("short", "short"),
    ):
        figure = Figure()
        axes = plot(figure, [replace(line([1.0, 2.0]), label=each) for each in (name, "other")], Axis("x"), Axis("y"))
        assert expected in [text.get_text() for text in axes.texts]


def test_a_single_line_has_the_figures_name():
    axes = plot(Figure(), [line([1.0, 2.0])], Axis("x"), Axis("y"))
    assert "a" not in [text.get_text() for text in axes.texts]


def test_names_keep_apart_in_a_taller_figure_too():
    for height in (2.0, 2.8, 4.0):
        figure = Figure(figsize=(4.2, height))
        axes = plot(figure, [replace(line([1.0, 1.0]), label=f"line {i}") for i in range(4)], Axis("x"), Axis("y"))
        figure.canvas.draw()
        boxes = sorted(
            (text.get_window_extent() for text in axes.texts if text.get_text().startswith("line")),
            key=lambda box: box.y0,
        )
        assert all(below.y1 <= above.y0 + 1 for below, above in itertools.pairwise(boxes))
        assert boxes[-1].y1 - boxes[0].y0 < 4 * 20 * figure.dpi / 72
