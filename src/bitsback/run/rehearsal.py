"""A rehearsal before the fit: what will ship is made of the untrained network, so that training is never for nothing."""

import torch

from bitsback.form.ensemble import ensemble
from bitsback.form.point import point
from bitsback.form.program import Units
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network
from bitsback.lower.build.onnx import check_exports
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.run.fitted import units
from bitsback.run.materials import Materials

_MEMBERS = 2
_SMALL = 2_000_000  # params; larger networks are exported to PyTorch's own graph only, which is quick


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
    in_units = _units(data)
    if form == "point" or not means:
        program = point(network, posterior, in_units)
    else:
        program = ensemble(network, posterior, in_units, _MEMBERS, torch.Generator().manual_seed(0))
    if sum(param.numel() for param in network.params.values()) <= _SMALL:
        check_exports(program)


def _units(data: Dataset) -> Units:
    noise = 0 if data.target_normalization is None else data.outputs
    return units(data, torch.zeros(noise))
