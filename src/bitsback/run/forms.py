"""The forms that a recipe names."""

from bitsback.form.contract import Form
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.point import PointForm
from bitsback.form.propagated import PropagatedForm
from bitsback.moments.own import OwnRules, read
from bitsback.recipe.sections import Recipe


def named(name: str, recipe: Recipe) -> Form:
    """A form by its name, with the recipe's settings.

    Args:
        name: "point", "ensemble" or "propagated".
        recipe: The whole run.

    Raises:
        RecipeError: The recipe names rules that are not there, or that are none.
    """
    if name == "point":
        return PointForm()
    return EnsembleForm(recipe.form.members, recipe.seed) if name == "ensemble" else propagated(recipe)


def propagated(recipe: Recipe) -> PropagatedForm:
    """The propagated form with the recipe's settings.

    Raises:
        RecipeError: The recipe names rules that are not there, or that are none.
    """
    asked = recipe.form
    return PropagatedForm(asked.points, asked.max_pool, asked.probabilities, own(recipe))


def own(recipe: Recipe) -> OwnRules:
    """The user's rules that a recipe names.

    Raises:
        RecipeError: They are not there, or are no rules.
    """
    return OwnRules() if recipe.form.rules is None else read(recipe.form.rules)


def smallest(name: str, rules: OwnRules | None = None) -> Form:
    """A form by its name, of the least size that it can have: what can be made of it can be made of a larger one."""
    if name == "point":
        return PointForm()
    return EnsembleForm(2) if name == "ensemble" else PropagatedForm(2, own=rules or OwnRules())


def shipped(recipe: Recipe) -> Form:
    """The form that is packed."""
    return named(recipe.predicts, recipe)


def compared(recipe: Recipe) -> tuple[Form, ...]:
    """The forms that are evaluated: the point always, the ensemble where there is something to draw, and what ships."""
    names = ("point",) if recipe.inference.method == "point" else ("point", "ensemble")
    return tuple(named(name, recipe) for name in dict.fromkeys((*names, recipe.predicts, *recipe.evaluate.forms)))
