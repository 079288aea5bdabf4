"""What `compress` is told to leave of a network."""

import pytest

from bitsback.cli.goals import Goals
from bitsback.errors import RecipeError


@pytest.mark.parametrize(
    ("typed", "size"),
    [("40kB", 40_000), ("1.5MB", 1_500_000), ("12000", 12_000), ("3 KiB", 3072), ("9b", 9), ("1gib", 2**30)],
)
def test_a_size_is_bytes(typed, size):
    assert Goals(target_size=typed).changes()["compress.target"] == {"bytes": size}


@pytest.mark.parametrize("typed", ["", "abc", "-5", "0", "nan", "12 apples", "1e3", "0.2"])
def test_a_size_that_is_none_is_refused(typed):
    with pytest.raises(RecipeError, match="is none; it must be a number of bytes such as 12000"):
        Goals(target_size=typed).changes()


@pytest.mark.parametrize(
    "other",
    [{"sparsity": 0.5}, {"saliency": "snr"}, {"cycles": 2}, {"target_ratio": 4.0}],
    ids=lambda other: next(iter(other)),
)
def test_a_size_and_another_answer_are_refused(other):
    name = f"--{next(iter(other)).replace('_', '-')}"
    with pytest.raises(RecipeError, match=f"--target-size and {name} both say what goes; give one of them"):
        Goals(target_size="40kB", **other).changes()


def test_a_size_ships_a_point_and_a_policy_takes_its_place_again():
    assert Goals(target_ratio=8.0).changes()["compress.target"] == {"ratio": 8.0}
    assert Goals(target_ratio=8.0).changes()["form.name"] == "point"
    assert Goals(sparsity=0.5).changes()["compress.target"] == {}
    assert "compress.target" not in Goals().changes()
