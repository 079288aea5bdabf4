"""The part of a recipe that says what predicts."""

from dataclasses import dataclass
from typing import Literal

from bitsback.errors import RecipeError
from bitsback.recipe.strict import STRICT
from bitsback.settings import check_whole

FormName = Literal["point", "ensemble", "propagated", "stochastic"]
DRAWS = 20
"""Members of an ensemble whose posterior does not say how many there are, and draws of a stochastic form."""
_OF = {
    "members": ("ensemble", "stochastic"),
    **dict.fromkeys(("member_weights", "layout"), ("ensemble",)),
    **dict.fromkeys(("probabilities", "points", "max_pool", "weights", "calibrate", "rules"), ("propagated",)),
}


def check_said(key: str, predicts: str) -> None:
    """Refuse a setting that someone asks for and that says nothing of the form that predicts.

    Args:
        key: Of the whole recipe, such as "form.layout".
        predicts: The form's name.

    Raises:
        RecipeError: It is of other forms.
    """
    table, _, name = key.partition(".")
    forms = _OF.get(name, (predicts,)) if table == "form" else (predicts,)
    if predicts not in forms:
        raise RecipeError(
            f"{key} says nothing of the {predicts} form, which predicts here; it is of the {' and '.join(forms)} form"
        )


@dataclass(frozen=True)
class Form:
    """What predicts on the device.

    Attributes:
        name: Without one it is an ensemble where inference gives something to draw from, else a point.
        members: Of an ensemble, at least 2. Without a number it has all values of a posterior that is a list of them (samples,
            the members of a deep ensemble), and 20 draws of any other. Of the stochastic form, how many draws each call makes.
        member_weights: How an ensemble stores them: in "float32", in "bfloat16", or as whole numbers of 8, 6, 4, 3 or 2 bits
            with a factor for each output ("int8" to "int2"). The program computes with what is stored.
        layout: Of an ensemble: all members "stacked" in one graph, or "swapped" in and out of the graph of one, which takes
            less memory and more time, and can be asked for its first members alone.
        probabilities: How the propagated form finds class probabilities: from "points" of its Gaussian outputs, or in closed
            form by "mean_field".
        points: At which the Gaussian outputs of the propagated form are looked at, at least 2.
        max_pool: How the propagated form pools the largest: "larger_mean" or "clark".
        weights: How the propagated form stores mean and variance of each weight: in "float32"; in "bfloat16", both together in
            the bytes of one float32; "tied", the variances of a layer as a factor per input and one per output; or "factored",
            for convolutions, both these and the squares of the means as such products, which is nearly as fast as without
            variances. The program computes with what is stored; native libraries read as few bytes.
        calibrate: On how many inputs of the training split, which need no labels, a factor of each layer's variance is
            fitted for the propagated form, so that its median is that of 400 draws of the network; 0 for no factors.
        rules: Your own rules for operators of the propagated form, which come before the library's: a dict, or a function
            that returns one, as `package.module:name` or `file.py:name`, the file beside the recipe.
    """

    __pydantic_config__ = STRICT
    name: FormName | None = None
    members: int | None = None
    member_weights: Literal["float32", "bfloat16", "int8", "int6", "int4", "int3", "int2"] = "float32"
    layout: Literal["stacked", "swapped"] = "stacked"
    probabilities: Literal["points", "mean_field"] = "points"
    points: int = 128
    max_pool: Literal["larger_mean", "clark"] = "larger_mean"
    weights: Literal["float32", "bfloat16", "tied", "factored"] = "float32"
    calibrate: int = 32
    rules: str | None = None

    def __post_init__(self) -> None:
        if self.members is not None:
            check_whole("form.members", self.members, 2)
        check_whole("form.points", self.points, 2)
        check_whole("form.calibrate", self.calibrate, 0)
