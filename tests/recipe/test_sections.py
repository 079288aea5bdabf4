import inspect
from dataclasses import MISSING, asdict, fields
from typing import get_type_hints

import pytest

import bitsback
from bench.recipe_reference import MIRRORS
from bitsback.compress.schedule import Cycles
from bitsback.measure.abstain import Promise
from bitsback.posterior import mean_field
from bitsback.posterior.distillation import Distillation
from bitsback.recipe import sections
from bitsback.recipe.sections import Recipe
from bitsback.run.abstention import promise_of
from bitsback.run.materials import fit_settings, inference

PAIRS = [(said, own) for said, mirrored in MIRRORS.items() for own in mirrored if said is not Recipe]
# Settings that stand elsewhere in a recipe, or that a recipe does not have.
ELSEWHERE = {
    bitsback.FitSettings: {"optimization", "temperature", "seed"},
    bitsback.MeanField: {"starts"},
    bitsback.CodeLength: {"target", "levels"},  # [compress.target], which without a number finds one
    Distillation: {"share", "softening"},  # of which there is some where a size is asked for
    bitsback.Promise: {"thresholds"},
    bitsback.SgMcmc: {"dynamics"},  # the recipe's method
    sections.LatencySettings: {"batch", "device", "again"},
}


def defaults(kind):
    return {
        each.name: each.default if each.default_factory is MISSING else each.default_factory() for each in fields(kind)
    }


@pytest.mark.parametrize(("said", "own"), PAIRS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_recipe_has_the_librarys_settings_with_its_types_and_defaults(said, own):
    types, own_types, values = get_type_hints(said), get_type_hints(own), defaults(said)
    for name, value in defaults(own).items():
        if name not in ELSEWHERE.get(own, ()) and name != "prior":  # a prior is a table; as what it says it is below
            assert types[name] == own_types[name]
            assert value in (MISSING, values[name])


def test_a_promise_without_settings_has_the_recipes_error_rate_and_its_own_confidence():
    assert promise_of(None) == Promise(sections.Abstain().error_rate)


def test_defaults_of_a_recipe_are_the_librarys_own():
    assert fit_settings(Recipe()) == bitsback.FitSettings()
    assert inference(Recipe()) == mean_field.MeanField()
    members = inspect.signature(bitsback.ensemble).parameters["members"]
    assert members.default == sections.Form().members
    compress = sections.Compress()
    assert Cycles(compress.cycles, recover=compress.fine_tune_epochs > 0) == Cycles()
    assert set(asdict(sections.Abstain())) <= {each.name for each in fields(Promise)}
