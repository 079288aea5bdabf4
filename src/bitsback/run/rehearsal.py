"""A rehearsal before the fit: what will ship is made of the untrained network, so that training is never for nothing."""

import torch

from bitsback.form.ensemble import ensemble
from bitsback.form.point import point
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network
from bitsback.lower.build.onnx import check_exports
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.run.fitted import units
from bitsback.run.materials import Materials

_MEMBERS = 2
# The reference networks' operators, which are known to have an ONNX form: finding out takes seconds.
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
        ExportError: An operator cannot be mapped over members, or has no form on the device; it is named.
    """
    check_form(materials.traces.evaluation, materials.data, materials.recipe.predicts)


def check_form(network: Network, data: Dataset, form: str) -> None:
    """See that a form can be made of a network, whatever its weights will be.

    Args:
        network: Traced for evaluation.
        data: What it will be fitted to.
        form: "point" or "ensemble".

    Raises:
        ExportError: An operator cannot be mapped over members, or has no form on the device; it is named.
    """
    means = {name: network.params[name].detach() for name in network.bayesian}
    fixed = {**{name: network.params[name].detach() for name in network.deterministic}, **network.buffers}
    posterior = MeanFieldPosterior(means, {name: torch.full_like(mean, 1e-3) for name, mean in means.items()}, fixed)
    of_data = units(data, torch.zeros(0 if data.target_normalization is None else data.outputs))
    if form == "point" or not means:
        program = point(network, posterior, of_data)
    else:
        program = ensemble(network, posterior, of_data, _MEMBERS, torch.Generator().manual_seed(0))
    if not operators(network) <= _KNOWN:
        check_exports(program)


def operators(network: Network) -> set[str]:
    """The names of what a traced network calls."""
    return {str(node.target) for node in network.graph.graph.nodes if node.op == "call_function"}
