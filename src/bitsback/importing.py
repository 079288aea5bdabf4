"""The verb for Python that takes over a posterior from elsewhere, in the place of `fit`."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from bitsback.arguments import check_data
from bitsback.errors import RecipeError
from bitsback.given.dataset import Dataset
from bitsback.posterior.foreign import place
from bitsback.posterior.foreign_source import given
from bitsback.run.fitted import FittedNetwork, as_random_as, noise_of, trace_both, units
from bitsback.run.imported import counts, doubt, names_of


def imported(
    module: nn.Module,
    data: Dataset,
    source: Any,
    *,
    names: Mapping[str, str | None] | None = None,
    sites: Sequence[str] = (),
    noise: float | None = None,
    deterministic: Sequence[str] = (),
) -> FittedNetwork:
    """Take over a posterior that was made elsewhere, such as by Pyro; nothing is fitted.

    What the source says nothing of keeps the module's own value, as a point; a `UserWarning` says how much that is, and
    `network.deterministic` of what is given which.

    Args:
        module: The network that the posterior is over, as `torch.export` can trace it; it is not changed.
        data: What it was fitted to, standardized as it was there: see `input_mean` and `input_std` of `dataset`.
        source: A trained AutoNormal or AutoDiagonalNormal guide of Pyro; the path of its param store, or of a safetensors file
            of `mean.NAME`, `std.NAME` and `point.NAME`; or a dict of pairs (means, standard deviations), and single arrays for
            points.
        names: The module's params by the source's names. One prefix that all names of either side have before the other's
            needs no mention; None leaves a name out.
        sites: The order in which the model samples, for the param store of an AutoDiagonalNormal, which does not hold it; a
            site that is left out counts as one number.
        noise: The standard deviation of a regression's noise, in the targets' unit.
        deterministic: Patterns of params that become points, at their means.

    Raises:
        NetworkError: The network cannot be traced; the source is damaged, of another kind, or does not fit the network.
        RecipeError: An argument is of the wrong kind.
    """
    check_data(data)
    _check_names(names, sites)
    traces = trace_both(module, data, deterministic)
    placed = place(traces.evaluation, given(source), names, sites)
    of_data = units(data, noise_of(data, noise))
    said = doubt(counts(traces.evaluation, placed), names_of(placed.own))
    if said is not None:
        warnings.warn(said, UserWarning, stacklevel=2)
    network = as_random_as(traces.evaluation, placed.posterior)
    return FittedNetwork(network, placed.posterior, of_data, temperature=None)


def _check_names(names: object, sites: object) -> None:
    pairs = names.items() if isinstance(names, Mapping) else [] if names is None else [(names, 0)]
    if not all(isinstance(name, str) and isinstance(param, str | None) for name, param in pairs):
        raise RecipeError(f"names is {names!r}; it must be a dict of names, such as {{'site': 'param', 'sigma': None}}")
    if not isinstance(sites, list | tuple) or not all(isinstance(each, str) for each in sites):
        raise RecipeError(
            f"sites is {sites!r}; it must be a list of names, in the order in which the model samples them"
        )
