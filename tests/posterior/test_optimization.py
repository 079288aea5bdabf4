import math

import pytest
import torch

from bitsback.errors import RecipeError
from bitsback.posterior.optimization import Optimization


def test_the_cosine_falls_from_the_whole_rate_to_none():
    optimization = Optimization(learning_rate=0.3)
    assert [optimization.rate(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([0.3, 0.15, 0.0])
    rates = [optimization.rate(step / 50) for step in range(51)]
    assert rates == sorted(rates, reverse=True)
    assert {Optimization(learning_rate=0.3, schedule="constant").rate(step / 50) for step in range(51)} == {0.3}


def test_a_step_of_sgd_has_momentum_and_weight_decay():
    variable = torch.tensor([2.0], requires_grad=True)
    optimizer = Optimization("sgd", 0.1, momentum=0.5, weight_decay=0.01).build([variable])
    expected, velocity = 2.0, 0.0
    for _ in range(3):
        optimizer.zero_grad()
        variable.square().sum().backward()
        optimizer.step()
        velocity = 0.5 * velocity + 2 * expected + 0.01 * expected
        expected -= 0.1 * velocity
    assert float(variable.detach()) == pytest.approx(expected)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_variable_keeps_to_its_own_rate(optimizer):
    optimization = Optimization(optimizer, 0.1, momentum=0.0)
    rates = [1.0, 5.0, 1.0, 0.5]
    variables = [torch.zeros(2).requires_grad_() for _ in rates]
    built = optimization.build(variables, rates)
    optimization.set_rate(built, 0.5)
    sum(variable.sum() for variable in variables).backward()
    built.step()
    for variable, rate in zip(variables, rates, strict=True):
        torch.testing.assert_close(variable.detach(), torch.full((2,), -0.05 * rate))


def test_the_first_step_of_adam_is_the_learning_rate():
    variable = torch.tensor([2.0, -3.0], requires_grad=True)
    optimizer = Optimization("adam", 0.1).build([variable])
    variable.square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(variable.detach(), torch.tensor([1.9, -2.9]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("learning_rate", 0.0), ("learning_rate", math.nan), ("learning_rate", math.inf)),
        *(("momentum", 1.0), ("momentum", -0.1), ("weight_decay", -1.0), ("weight_decay", math.nan)),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(RecipeError, match=f"{name} is {value}; it must be"):
        Optimization(**{name: value})


@pytest.mark.parametrize("name", ["optimizer", "schedule"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name} is 'linear'"):
        Optimization(**{name: "linear"})
