"""A rehearsal before the fit: what will ship is made of the untrained network, so that training is never for nothing."""

import torch

from bitsback.compress.masks import masks_for, prune
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network
from bitsback.lower.build.onnx import check_exports
from bitsback.moments.own import OwnRules
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.run import structure
from bitsback.run.fitted import likelihood, units
from bitsback.run.forms import own, smallest
from bitsback.run.materials import Materials, inference

# The reference networks' operators, of which every form is known to have an export: finding out takes seconds.
_KNOWN = frozenset(
    f"aten.{name}"
    for name in (
        *("linear.default", "conv2d.default", "batch_norm.default", "max_pool2d.default", "relu.default"),
        *("flatten.using_ints", "add.Tensor", "mean.dim", "pad.default", "slice.Tensor"),
    )
)


def rehearse(materials: Materials) -> None:
    """See that the form that ships can be made of a recipe's network.

    Raises:
        ExportError: The form has no way to do an operator, or the operator has no form on the device; it is named.
        RecipeError: The rules that it names are not there.
    """
    recipe = materials.recipe
    rules = own(recipe) if recipe.predicts == "propagated" else OwnRules()
    check_form(materials.traces.evaluation, materials.data, recipe.predicts, rules)


def rehearse_all(materials: Materials) -> None:
    """See, besides, that what the recipe prunes by fits its network and its posterior.

    Raises:
        PolicyError: The policy or a mask does not fit.
        NetworkError: The file of masks is missing or damaged.
        RunError: The run that has the masks lacks them, or is damaged.
        RecipeError: Something is to be taken from a structure, and none is named.
        ExportError: As for `rehearse`.
    """
    asked = materials.recipe
    posterior = _untrained(materials.traces.evaluation, 0.0 if asked.inference.method == "point" else 1e-3)
    given = structure.named(asked, materials.data)
    if given is None:
        masks_for(posterior, asked.compress.policy)
    else:
        prune(posterior, given.masks)
        network = materials.traces.train
        began, _ = structure.begin(asked.compress, given, network, (), {**network.params, **network.buffers})
        inference(asked).objective(began, likelihood(materials.data), given.masks)
    rehearse(materials)


def check_form(network: Network, data: Dataset, form: str, rules: OwnRules | None = None) -> None:
    """See that a form can be made of a network, whatever its weights will be.

    Args:
        network: Traced for evaluation.
        data: What it will be fitted to.
        form: its name.
        rules: The user's own for the propagated form, if there are any.

    Raises:
        ExportError: The form has no way to do an operator, or the operator has no form on the device; it is named.
    """
    posterior = _untrained(network, 1e-3)
    of_data = units(data, torch.zeros(0 if data.target_normalization is None else data.outputs))
    least = smallest(form if posterior.means else "point", rules)
    if operators(network) <= _KNOWN:
        least.members(network, posterior, of_data)(torch.zeros(2, *network.input_shape))
    else:
        check_exports(least.program(network, posterior, of_data))


def _untrained(network: Network, std: float) -> MeanFieldPosterior:
    means = {name: network.params[name].detach() for name in network.bayesian}
    fixed = {**{name: network.params[name].detach() for name in network.deterministic}, **network.buffers}
    return MeanFieldPosterior(means, {name: torch.full_like(mean, std) for name, mean in means.items()}, fixed)


def operators(network: Network) -> set[str]:
    """The names of what a traced network calls."""
    return {str(node.target) for node in network.graph.graph.nodes if node.op == "call_function"}
