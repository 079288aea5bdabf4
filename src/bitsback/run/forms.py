"""The forms that a recipe names."""

from bitsback.form.contract import Form
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.point import PointForm
from bitsback.form.propagated import PropagatedForm
from bitsback.recipe.sections import Recipe


def named(name: str, recipe: Recipe) -> Form:
    """A form by its name, with the recipe's settings.

    Args:
        name: "point", "ensemble" or "propagated".
        recipe: The whole run.
    """
    asked = recipe.form
    return _called(
        name, PointForm(), EnsembleForm(asked.members, recipe.seed), PropagatedForm(asked.points, asked.max_pool)
    )


def smallest(name: str) -> Form:
    """A form by its name, of the least size that it can have: what can be made of it can be made of a larger one."""
    return _called(name, PointForm(), EnsembleForm(2), PropagatedForm(2))


def shipped(recipe: Recipe) -> Form:
    """The form that is packed."""
    return named(recipe.predicts, recipe)


def compared(recipe: Recipe) -> tuple[Form, ...]:
    """The forms that are evaluated: the point always, the ensemble where there is something to draw, and what ships."""
    names = ("point",) if recipe.inference.method == "point" else ("point", "ensemble")
    return tuple(named(name, recipe) for name in dict.fromkeys((*names, recipe.predicts, *recipe.evaluate.forms)))


def _called(name: str, *forms: Form) -> Form:
    return next(form for form in forms if form.name == name)
