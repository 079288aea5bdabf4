"""The bench of stacked, swapped and drawn members, on a network of seconds."""

import pytest

import bitsback
from bench import layouts
from bitsback.measure.journal import Measurement


@pytest.fixture(scope="module")
def rows():
    data = bitsback.dataset("digits", limit=300)
    fitted = bitsback.fit(bitsback.network("mlp", data, hidden=[8]), data, epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "MEMBERS", 2)
        patch.setattr(layouts, "ASKED", 1)
        patch.setitem(layouts.LOOKED_AT, "small", 60)
        return layouts.measured("small", fitted, data, 2)


def figure(rows: list[Measurement], what: str, way: str) -> float:
    found = [row.value for row in rows if row.what == what and row.of["way"] == way]
    assert len(found) == 1
    assert found[0] is not None
    return found[0]


def test_every_way_of_the_same_members_answers_the_same(rows):
    for what in ("accuracy", "nll", "ood_auroc_knowledge"):
        stacked = figure(rows, what, "stacked")
        for way in ("swapped", "sessions"):
            assert figure(rows, what, way) == pytest.approx(
                stacked, abs=2e-3
            )  # pairs whose knowledge is all but the same
    assert figure(rows, "nll", "stochastic") == pytest.approx(figure(rows, "nll", "stacked"), rel=0.1)


def test_every_way_has_its_cost(rows):
    for way in layouts.WAYS:
        assert figure(rows, "latency", way) > 0
        if way not in {"logits", "swapped_4"}:
            assert figure(rows, "load", way) > 0
    sizes = {way: figure(rows, "bytes", way) for way in layouts.WAYS if way not in {"logits", "swapped_4"}}
    assert sizes["point"] < min(sizes["stochastic"], sizes["stacked"])
    assert sizes["swapped"] < sizes["sessions"]


def test_the_table_has_a_line_for_each_way(rows):
    lines = layouts.made(rows).splitlines()
    assert len(lines) == 2 + len(layouts.WAYS)
    assert any(line.startswith("| small | the point | ") for line in lines)
    assert {line.count("|") for line in lines} == {11}
