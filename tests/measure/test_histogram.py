import itertools

import numpy as np
import pytest

from bitsback.measure.histogram import histogram


def test_it_counts_what_a_loop_counts():
    values = np.random.default_rng(0).normal(size=500)
    kept = values > 0.3
    found = histogram(values, kept)
    edges = np.array(found["edges"])
    assert (edges[0], edges[-1]) == (values.min(), values.max())
    for each, chosen in (("count", values), ("kept", values[kept])):
        counts = [
            sum(low <= value < high or (value == high == edges[-1]) for value in chosen)
            for low, high in itertools.pairwise(edges)
        ]
        assert found[each] == counts


def test_nothing_is_counted_where_there_is_nothing():
    found = histogram(np.array([]), np.array([], dtype=bool))
    assert len(found["edges"]) == len(found["count"]) + 1
    assert sum(found["count"]) == sum(found["kept"]) == 0
    assert "kept" not in histogram(np.array([1.0]))


def test_numbers_that_are_the_same_but_for_rounding_are_side_by_side():
    values = np.float32(0.3) * (1 + np.float32(1.2e-7) * np.arange(40, dtype=np.float32))
    series = histogram(values)
    assert np.count_nonzero(series["count"]) <= 2
    assert series["edges"][-1] - series["edges"][0] == pytest.approx(1, abs=1e-4)
