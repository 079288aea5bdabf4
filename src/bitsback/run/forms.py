"""The forms that a recipe names."""

from dataclasses import replace

import torch

from bitsback.form.contract import Form
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.point import PointForm
from bitsback.form.propagated import PropagatedForm
from bitsback.form.stochastic import StochasticForm
from bitsback.moments.calibration import Calibration, calibration
from bitsback.moments.own import OwnRules, read
from bitsback.recipe.sections import Recipe
from bitsback.run.materials import Materials


def named(name: str, materials: Materials) -> Form:
    """A form by its name, with the recipe's settings.

    Args:
        name: One that a recipe may name.
        materials: Of the recipe.

    Raises:
        RecipeError: The recipe names rules that are not there, or that are none.
    """
    if name == "point":
        return PointForm()
    recipe = materials.recipe
    if name == "ensemble":
        return EnsembleForm(recipe.members, recipe.seed, recipe.form.member_weights, recipe.form.layout)
    if name == "stochastic":
        return StochasticForm(recipe.members, recipe.seed)
    return propagated(materials)


def propagated(materials: Materials) -> PropagatedForm:
    """The propagated form with the recipe's settings.

    Raises:
        RecipeError: The recipe names rules that are not there, or that are none.
    """
    asked = materials.recipe.form
    on = None if asked.calibrate == 0 else _calibration(materials)
    return PropagatedForm(asked.points, asked.max_pool, asked.probabilities, asked.weights, own(materials.recipe), on)


def _calibration(materials: Materials) -> Calibration:
    """Some inputs of the training split, drawn by the seed."""
    data, seed, count = materials.data, materials.recipe.seed, materials.recipe.form.calibrate
    chosen = torch.randperm(len(data.train.inputs), generator=torch.Generator().manual_seed(seed))[:count].sort().values
    return calibration(torch.from_numpy(data.normalization.apply(data.train.inputs[chosen.numpy()])), seed)


def own(recipe: Recipe) -> OwnRules:
    """The user's rules that a recipe names.

    Raises:
        RecipeError: They are not there, or are no rules.
    """
    return OwnRules() if recipe.form.rules is None else read(recipe.form.rules)


def smallest(name: str, rules: OwnRules | None = None) -> Form:
    """A form by its name, of the least size that it can have: what can be made of it can be made of a larger one."""
    least: dict[str, Form] = {"point": PointForm(), "ensemble": EnsembleForm(2), "stochastic": StochasticForm(2)}
    return least.get(name) or PropagatedForm(2, own=rules or OwnRules())


def shipped(materials: Materials) -> Form:
    """The form that is packed."""
    return named(materials.recipe.predicts, materials)


def swept(materials: Materials) -> Form:
    """The form that is packed, without what would take minutes for each of the posteriors of a sweep."""
    found = shipped(materials)
    return replace(found, calibration=None) if isinstance(found, PropagatedForm) else found


def compared(materials: Materials) -> tuple[Form, ...]:
    """The forms that are evaluated: the point always, the ensemble where there is something to draw, and what ships."""
    recipe = materials.recipe
    names = ("point",) if recipe.inference.method == "point" else ("point", "ensemble")
    return tuple(named(name, materials) for name in dict.fromkeys((*names, recipe.predicts, *recipe.evaluate.forms)))
