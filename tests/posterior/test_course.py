"""Which values of a chain are kept, and how it moves in between."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsback.errors import RecipeError
from bitsback.posterior.course import Course

COURSES = st.builds(Course, st.integers(1, 5), st.floats(0, 0.9), st.integers(1, 5))


@given(COURSES, st.integers(300, 1000))
def test_each_cycle_keeps_as_many_after_its_burn_in_and_its_end_among_them(course, steps):
    kept = sorted(course.kept(steps))
    assert len(kept) == course.keep * course.cycles
    course.check(steps)
    for cycle in range(course.cycles):
        start, end = (round(steps * (cycle + each) / course.cycles) for each in (0, 1))
        own = kept[cycle * course.keep : (cycle + 1) * course.keep]
        assert own[-1] == end
        assert own[0] > start + course.burn_in * (end - start) - 1
        gaps = [after - before for before, after in itertools.pairwise(own)]
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_with_cycles_steps_fall_to_nothing_and_begin_again_and_noise_comes_after_the_exploration():
    course = Course(keep=3, burn_in=0.8, cycles=2)
    assert course.rate(0) == course.rate(0.5) == 1
    assert course.rate(0.25) == pytest.approx(0.5)
    assert course.rate(0.4999) < 1e-5
    assert [course.noise(done) for done in (0, 0.39, 0.41, 0.5, 0.95)] == [0, 0, 1, 0, 1]


def test_one_cycle_has_steps_of_one_length_and_noise_throughout():
    course = Course(keep=3, burn_in=0.5)
    assert {course.rate(done / 10) for done in range(10)} == {course.noise(done / 10) for done in range(10)} == {1.0}


def test_a_chain_that_is_too_short_is_refused():
    with pytest.raises(
        RecipeError, match=r"a chain of 4 steps with 1 cycle\(s\) and burn_in 0.5 cannot give 3 different"
    ):
        Course(keep=3).check(4)
    Course(keep=2).check(4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"keep": 0}, "keep is 0; it must be a whole number, at least 1"),
        ({"cycles": 1.5}, "cycles is 1.5"),
        ({"burn_in": 1}, "burn_in is 1; it must be a number, at least 0 and below 1"),
        ({"burn_in": -0.1}, "burn_in is -0.1"),
        ({"burn_in": float("nan")}, "burn_in is nan"),
    ],
)
def test_what_is_no_course_is_refused(words, said):
    with pytest.raises(RecipeError, match=said):
        Course(**words)
