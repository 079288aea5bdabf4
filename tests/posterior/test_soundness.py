import pytest
import torch

from bitsback.posterior.soundness import fault


@pytest.mark.parametrize("value", [0.0, 1e-30, 5.0])
def test_what_can_be_is_no_fault(value):
    assert fault("variance", {"a": torch.full((2, 3), value), "empty": torch.zeros(0)}, 0) is None
    assert fault("mean", {"a": -torch.full((2, 3), value)}) is None


@pytest.mark.parametrize(("value", "said"), [(-0.25, "-0.25"), (float("nan"), "nan"), (float("inf"), "inf")])
def test_the_first_number_that_cannot_be_is_named(value, said):
    wrong = torch.zeros(3)
    wrong[1] = value
    found = fault("variance", {"right": torch.zeros(2), "wrong": wrong}, 0)
    assert found == f"a variance of 'wrong' is {said}; it must be a finite number, at least 0"
