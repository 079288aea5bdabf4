"""The verbs that make a program of a fitted network: one for each form."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch

from bitsback.arguments import check_fitted
from bitsback.errors import RecipeError
from bitsback.form.ensemble import EnsembleForm, Layout
from bitsback.form.members import Precision
from bitsback.form.point import PointForm
from bitsback.form.program import Program
from bitsback.form.propagated import PropagatedForm
from bitsback.form.stochastic import StochasticForm
from bitsback.moments.calibration import calibration
from bitsback.moments.own import own_rules
from bitsback.recipe.form import DRAWS, Form
from bitsback.run.fitted import FittedNetwork
from bitsback.settings import check_seed, check_whole


def point(fitted: FittedNetwork) -> Program:
    """The network at its posterior's mean, as a program: one pass, no knowledge uncertainty.

    Raises:
        ExportError: It cannot be exported.
        RecipeError: It is no fitted network.
    """
    check_fitted(fitted)
    return fitted.program(PointForm())


def ensemble(
    fitted: FittedNetwork,
    members: int | None = None,
    *,
    member_weights: Precision = Form.member_weights,
    layout: Layout = Form.layout,
    seed: int = 0,
) -> Program:
    """The average over draws from the posterior, as a program.

    Args:
        fitted: The network.
        members: How many draws; without a number all values of a posterior that is a list of them, and 20 of any other.
        member_weights: How they are stored: in float32, in bfloat16, or as whole numbers of 8, 6, 4, 3 or 2 bits with a factor
            for each output.
        layout: All "stacked" in one graph; or "swapped" in and out of the graph of one member, which takes less memory and
            more time, and can be asked for its first members alone.
        seed: Decides which.

    Raises:
        RecipeError: Fewer than two members are asked for, or an argument is of the wrong kind.
        ExportError: It cannot be exported.
    """
    check_fitted(fitted)
    if members is None:
        listing = fitted.posterior.listing
        members = DRAWS if listing is None else listing.values
    check_whole("members", members, 2)
    check_seed(seed)
    return fitted.program(EnsembleForm(members, seed, member_weights, layout))


def stochastic(fitted: FittedNetwork, draws: int = DRAWS, *, seed: int = 0) -> Program:
    """The average over draws that are made in each call, as a program: it holds what to draw from, and not members.

    Args:
        fitted: The network; its posterior is no list of values.
        draws: How many a call makes, at least 2.
        seed: Decides those that PyTorch makes; those of a packed program are decided where it is loaded.

    Raises:
        RecipeError: Fewer than two draws are asked for, an argument is of the wrong kind, or there is nothing to draw.
        ExportError: It cannot be exported, or its draws are lost on the way.
    """
    check_fitted(fitted)
    check_whole("draws", draws, 2)
    check_seed(seed)
    return fitted.program(StochasticForm(draws, seed))


def propagated(
    fitted: FittedNetwork,
    points: int = Form.points,
    *,
    probabilities: Literal["points", "mean_field"] = Form.probabilities,
    max_pool: Literal["larger_mean", "clark"] = Form.max_pool,
    weights: Literal["float32", "bfloat16", "tied", "factored"] = Form.weights,
    rules: Mapping[Any, Callable[..., Any]] | None = None,
    calibrate: np.ndarray | None = None,
    seed: int = 0,
) -> Program:
    """Mean and variance of the outputs from one pass over Gaussians, as a program.

    Args:
        fitted: The network.
        points: At which the Gaussian outputs are looked at for class probabilities.
        probabilities: Whether they come from these points, or in closed form without any.
        max_pool: How the largest of several Gaussians is pooled: the one with the larger mean, or by Clark's moments.
        weights: How mean and variance of each weight are stored: in float32, together in the 32 bits of two bfloat16, with the
            variances of a layer tied, as a factor per input and one per output, or, of convolutions, both these and the squares
            of means factored so.
        rules: Your own, by operator of the traced network, such as `torch.ops.aten.erfinv.default`; they come before the
            library's, and take what the operator takes, with a `Gaussian(mean, var)` for what is random.
        calibrate: Raw inputs, which need no labels, such as `data.train.inputs[:64]`: a factor of each layer's variance is
            fitted on them, so that its median is that of 400 draws of the network.
        seed: Decides these draws.

    Raises:
        RecipeError: Fewer than two points are asked for, or an argument is of the wrong kind.
        ExportError: An operator of the network has no rule over Gaussians, or it cannot be exported.
    """
    check_fitted(fitted)
    check_whole("points", points, 2)
    check_seed(seed)
    on = None if calibrate is None else calibration(_standardized(fitted, calibrate), seed)
    own = own_rules({} if rules is None else rules)
    return fitted.program(PropagatedForm(points, max_pool, probabilities, weights, own, on))


def _standardized(fitted: FittedNetwork, inputs: object) -> torch.Tensor:
    shape = fitted.network.input_shape
    if not isinstance(inputs, np.ndarray) or inputs.shape[1:] != shape or not len(inputs):
        given = f"of shape {inputs.shape}" if isinstance(inputs, np.ndarray) else f"of type {type(inputs).__name__}"
        raise RecipeError(
            f"calibrate is {given}; it must be an array of inputs of shape (N, {', '.join(map(str, shape))})"
        )
    return torch.from_numpy(fitted.units.inputs.apply(inputs))
