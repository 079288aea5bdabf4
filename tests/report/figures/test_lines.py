import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bitsback.report.evidence import REFERENCE, Variant
from bitsback.report.figures.curves import Axis, plot
from bitsback.report.figures.lines import Line, described, style, style_of, turns


def drawn(lines):
    axes = plot(Figure(), lines, Axis("x"), Axis("y"))
    return [found for found in axes.get_lines() if len(found.get_xdata()) == len(lines[0].x)]


def test_no_line_hides_another():
    one, other = (Line(name, np.arange(5), np.arange(5.0), style(slot)) for slot, name in enumerate("ab"))
    below, above = drawn([one, other])
    assert not below.is_dashed()
    assert above.is_dashed()
    assert {below.get_markevery(), above.get_markevery()} == {(0, 2), (1, 2)}


def test_lines_that_are_apart_stay_whole():
    one, other = (Line(name, np.arange(5), np.arange(5.0) + slot, style(slot)) for slot, name in enumerate("ab"))
    assert not any(found.is_dashed() for found in drawn([one, other]))


def test_a_dashed_line_is_never_the_one_below():
    grey = Line("grey", np.arange(5), np.arange(5.0), style_of(REFERENCE))
    below, above = drawn([grey, Line("b", np.arange(5), np.arange(5.0), style(1))])
    assert (below.get_color(), above.get_color()) == (style(1).colour, grey.style.colour)


@given(st.permutations(range(5)))
def test_turns_do_not_depend_on_who_is_near_whom_first(order):
    x = np.arange(4.0)
    heights = [0.1, 0.11, 0.12, 0.5, 0.9]  # the first and the third are neighbours through the second
    found = turns([(x, np.full(4, heights[index])) for index in order])
    sizes = {heights[index]: size for index, (_, size) in zip(order, found, strict=True)}
    assert [sizes[height] for height in heights] == [3, 3, 3, 1, 1]
    assert sorted(turn for turn, size in found if size == 3) == [0, 1, 2]


def test_a_network_looks_the_same_everywhere_and_unlike_the_others():
    networks = [Variant(stage, form) for stage in ("dense", "compressed") for form in ("point", "ensemble")]
    styles = [style_of(network) for network in networks]
    assert len({one.colour for one in styles}) == len(styles)
    assert style_of(REFERENCE).dashed
    assert style_of(networks[3], networks) == style_of(networks[3], networks[::-1])


def test_the_description_tells_both_ends():
    falling = Line("a", np.arange(3), np.array([0.5, np.nan, 0.25]), style(0))
    assert described([falling], "share") == "a: from 50.00 % to 25.00 %."
