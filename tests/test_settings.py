import math

import pytest

from bitsback.errors import RecipeError
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.prior import Normal, ScaleMixture

NO_NUMBER = ("1", None, True, [1], math.nan, math.inf, -1)
NO_COUNT = ("1", None, True, 1.5, 0, -1)
NO_WORD = ("words", 3, ["adam"], None)
WRONG = {
    FitSettings: {
        **dict.fromkeys(("epochs", "batch", "threads"), NO_COUNT),
        **dict.fromkeys(("temperature", "checkpoint_seconds"), NO_NUMBER),
        "seed": ("1", None, True, 1.5, -1, 2**63),
        "kl_weighting": NO_WORD,
        "antithetic": ("yes", 1, None),
        "compile": ("yes", 1),
        "optimization": ("adam", None, Optimization),
    },
    Optimization: {
        "optimizer": NO_WORD,
        "schedule": NO_WORD,
        "learning_rate": (*NO_NUMBER, 0),
        "momentum": (*NO_NUMBER, 1),
        "weight_decay": NO_NUMBER,
    },
    Normal: {"std": (*NO_NUMBER, 0)},
    ScaleMixture: {"pi": (*NO_NUMBER, 0, 1), "std1": (*NO_NUMBER, 0), "std2": (*NO_NUMBER, 0, 1.0)},
    MeanField: {
        "prior": ("normal", None, Normal, 1.0),
        "estimator": NO_WORD,
        "kl": ("words", 3, ["sampled"]),
        **dict.fromkeys(("initial_std", "std_rate"), (*NO_NUMBER, 0)),
    },
}
CASES = [(kind, name, value) for kind, fields in WRONG.items() for name, values in fields.items() for value in values]


@pytest.mark.parametrize(("kind", "name", "value"), CASES, ids=[f"{k.__name__}.{n}={v!r}" for k, n, v in CASES])
def test_a_setting_of_another_type_or_out_of_range_is_named_with_its_value(kind, name, value):
    with pytest.raises(RecipeError) as failure:
        kind(**{name: value})
    said = str(failure.value)
    assert f"{name} is {value!r}; " in said
    assert " must " in said
    assert "\n" not in said
