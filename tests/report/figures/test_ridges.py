import numpy as np
import pytest

from bitsback.report.figures.canvas import MUTED, SERIES
from bitsback.report.figures.ridges import of_kept, of_values
from tests.report.journal import row


def counted(edges, **counts):
    return row("histogram", series={"edges": list(edges), **{name: list(found) for name, found in counts.items()}})


def test_histograms_of_other_bins_are_drawn_to_one_scale():
    """The same values fill the same area, however finely each histogram was counted."""
    coarse, fine = counted([0, 1, 2], count=[50, 50]), counted([0, 0.5, 1], count=[25, 25])
    one, other = of_values("a", [(coarse, MUTED), (fine, SERIES[0])]).areas
    assert one.heights == pytest.approx(other.heights)


def test_what_was_expected_lies_over_values_drawn_from_it():
    x = np.linspace(-3.0, 3.0, 601)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    edges = np.linspace(-3.0, 3.0, 61)
    count = 1e5 * np.interp((edges[1:] + edges[:-1]) / 2, x, density) * 0.1
    ridge = of_values("a", [(counted(edges, count=count), MUTED)], (x, density))
    assert ridge.line is not None
    assert np.interp((edges[1:] + edges[:-1]) / 2, *ridge.line) == pytest.approx(ridge.areas[0].heights, abs=5e-3)


def test_what_is_no_histogram_is_left_out():
    broken = counted([1, 0], count=[5])
    assert of_values("a", [(broken, MUTED)]).areas == of_kept("a", broken).areas == ()
    assert len(of_values("a", [(broken, MUTED), (counted([0, 1], count=[5]), SERIES[0])]).areas) == 1


@pytest.mark.parametrize("logarithmic", [False, True])
def test_the_kept_stand_before_all_and_their_share_beside(logarithmic):
    ridge = of_kept("a", counted([-1, 0, 1], count=[900, 100], kept=[0, 100]), logarithmic=logarithmic)
    every, left = ridge.areas
    assert (ridge.word, every.heights[1], left.heights[0]) == ("10 % kept", left.heights[1], 0.0)
    assert every.heights[1] == pytest.approx(np.log1p(100) / np.log1p(900) if logarithmic else 1 / 9)


def test_where_all_are_kept_the_median_is_told():
    ridge = of_kept("a", counted([-1, 0, 1, 2], count=[10, 20, 10], kept=[10, 20, 10]))
    assert (ridge.word, len(ridge.areas)) == (f"median {10**0.5:.3g}", 1)
