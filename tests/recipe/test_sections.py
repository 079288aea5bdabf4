from dataclasses import asdict, fields

import pytest

from bitsback.given.dataset import DataSettings
from bitsback.measure.abstain import Promise
from bitsback.posterior import mean_field, prior
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.optimization import Optimization
from bitsback.recipe import sections
from bitsback.recipe.sections import Recipe
from bitsback.run.materials import fit_settings, inference
from bitsback.run.measure import Timing

# What a recipe says of a part of the library, and that part's own settings.
SAME = {
    "data": (sections.Data(), DataSettings()),
    "fit": (sections.Fit(), FitSettings()),
    "optimization": (sections.Fit(), Optimization()),
    "mixture": (sections.MixturePrior(), prior.ScaleMixture()),
    "normal": (sections.NormalPrior(), prior.Normal()),
    "mean field": (sections.MeanField(), mean_field.MeanField()),
    "measure": (sections.Measure(), Timing()),
}
ELSEWHERE = {
    "optimization",
    "temperature",
    "seed",
    "prior",
    "starts",
}  # these stand elsewhere in a recipe, or come from a run


@pytest.mark.parametrize("part", SAME)
def test_a_recipe_has_the_librarys_settings_with_its_defaults(part):
    said, own = SAME[part]
    for each in fields(own):
        if each.name not in ELSEWHERE:
            assert getattr(said, each.name) == getattr(own, each.name)


def test_the_promise_has_its_fields():
    assert set(asdict(sections.Abstain())) <= {each.name for each in fields(Promise)}


def test_defaults_of_a_recipe_are_the_librarys_own():
    assert fit_settings(Recipe()) == FitSettings()
    assert inference(Recipe()) == mean_field.MeanField()
