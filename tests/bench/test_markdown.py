import pytest

from bench.markdown import fill, mean_and_half_range, places, table
from bitsback.errors import DataError

TEXT = "before\n<!-- table: one -->\nold\n<!-- end -->\nbetween\n<!-- table: two --><!-- end -->after"


def test_only_the_marked_places_change_and_filling_again_changes_nothing():
    filled = fill(TEXT, str.upper)
    assert filled == (
        "before\n<!-- table: one -->\n\nONE\n\n<!-- end -->\nbetween\n<!-- table: two -->\n\nTWO\n\n<!-- end -->after"
    )
    assert fill(filled, str.upper) == filled
    assert fill("nothing marked", str.upper) == "nothing marked"
    assert [name for name, _, _ in places(TEXT)] == ["one", "two"]


@pytest.mark.parametrize(
    "text",
    ["<!-- table: a -->", "<!-- end -->", "<!-- table: a --><!-- table: b --><!-- end -->", TEXT + "<!-- end -->"],
)
def test_a_mark_without_a_partner_is_refused(text):
    with pytest.raises(DataError, match="partner"):
        fill(text, str.upper)


def test_a_table_has_as_many_rules_as_columns():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_a_mean_with_half_its_range():
    assert mean_and_half_range([0.984, 0.985, 0.989], 2, 100.0) == "98.60 ± 0.25"
    assert mean_and_half_range([0.5], 1) == "0.5"
