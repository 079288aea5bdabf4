"""Posteriors of Pyro's mean-field guides, from a guide in memory or from the param store that it left in a file.

`pyro.get_param_store().save(path)` writes *unconstrained* values u beside the constraint that each is under. A scale is
softplus(u) (the guides' own choice) or exp(u), and never u itself. The file is a pickle. It is read with PyTorch's loader of
tensors and plain containers, to which the classes of three constraints are added under their names as empty classes of
ours: Pyro need not be installed, and nothing that the file names is imported or called.

An AutoDiagonalNormal keeps all sites in one vector, in the order in which the model samples them. A guide in memory knows
that order; a store does not, and it has to be told.
"""

import importlib
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import constraints
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from bitsback.errors import NetworkError, first_line
from bitsback.given.params import Params
from bitsback.posterior.foreign import Flat, Foreign

_KINDS = {"AutoNormal": "an AutoNormal guide of Pyro", "AutoDiagonalNormal": "an AutoDiagonalNormal guide of Pyro"}
_WANTED = "the param store of an AutoNormal or AutoDiagonalNormal guide of Pyro"


class _Real:
    """Stands for `torch.distributions.constraints.real`: the value itself."""


class _SoftplusPositive:
    """Stands for `pyro.distributions.constraints.softplus_positive`: softplus(u)."""


class _GreaterThan:
    """Stands for `torch.distributions.constraints.positive`, which is "greater than 0": exp(u)."""


_CONSTRAINTS: list[Any] = [
    (_Real, "torch.distributions.constraints._Real"),
    (_GreaterThan, "torch.distributions.constraints._GreaterThan"),
    (_SoftplusPositive, "pyro.distributions.constraints._SoftplusPositive"),
]


def read_store(path: Path) -> Foreign:
    """Read what `pyro.get_param_store().save` wrote.

    Raises:
        NetworkError: The file is damaged, holds anything else, or the store is of another guide or has another constraint.
    """
    state = _load(path)
    under = state["constraints"]
    values: Params = {}
    for name, value in state["params"].items():
        if not isinstance(name, str) or not _plain(value):
            raise NetworkError(f"{path} holds {name!r} as {type(value).__name__}; {_WANTED} holds numbers by name")
        values[name.replace("$$$", ".")] = _constrained(name, value.detach(), under.get(name), path)
    guides = {name.partition(".")[0] for name in values} & _KINDS.keys()
    if len(guides) != 1:
        there = ", ".join(map(repr, list(values)[:3])) or "nothing"
        raise NetworkError(f"{path} is of another guide: it holds {there}; {_WANTED} is needed")
    return _foreign(guides.pop(), values, str(path))


def is_guide(source: object) -> bool:
    """Whether something is a guide that Pyro made; Pyro is not imported to find out."""
    autoguide = sys.modules.get("pyro.infer.autoguide")
    return autoguide is not None and isinstance(source, autoguide.AutoGuide)


def from_guide(guide: Any) -> Foreign:
    """The posterior of a guide in memory, and the params that its model keeps as points, where the model is a module.

    Raises:
        NetworkError: The guide is of another kind, or has not seen its model yet.
    """
    kind = type(guide).__name__
    if kind not in _KINDS or not type(guide).__module__.startswith("pyro."):
        raise NetworkError(f"the guide is of the kind {kind}; it must be an AutoNormal or an AutoDiagonalNormal")
    if guide.prototype_trace is None:
        raise NetworkError(f"the guide ({kind}) has not been run yet; train it first")
    values = {f"{kind}.{name}": _value(guide, name) for name, _ in guide.named_pyro_params()}
    foreign = _foreign(kind, values | _points(guide.model), "the guide")
    sites = dict(guide.prototype_trace.iter_stochastic_nodes())
    bounded = frozenset(name for name, site in sites.items() if not _real(site["fn"].support))
    if foreign.flat is None:
        return replace(foreign, bounded=bounded)
    means, stds = (_split(each, sites) for each in foreign.flat)
    return replace(foreign, means=means, stds=stds, flat=None, bounded=bounded)


def _load(path: Path) -> dict[str, dict[Any, Any]]:
    try:
        with safe_globals(_CONSTRAINTS):
            others = get_unsafe_globals_in_checkpoint(str(path))
            state = None if others else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make the loader raise many kinds
        raise NetworkError(f"{path} cannot be read as {_WANTED}: {first_line(error)}") from error
    if others:
        raise NetworkError(f"{path} holds {min(others)!r}, and so is not read: {_WANTED} holds no such thing")
    parts = ("params", "constraints")
    if not isinstance(state, dict) or set(state) != set(parts) or not all(isinstance(state[p], dict) for p in parts):
        raise NetworkError(f"{path} is not {_WANTED}: {_instead(state)}")
    return state


def _instead(state: object) -> str:
    """What a file holds that is no store, and where that can be given."""
    if not isinstance(state, dict):
        return f"it holds an object of type {type(state).__name__}"
    return (
        "it is a dict without params and constraints; give such a dict to `bitsback.imported` in Python, or save it as "
        "safetensors with mean.NAME and std.NAME"
    )


def _plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.layout == torch.strided


def _constrained(name: str, value: Tensor, constraint: object, path: Path) -> Tensor:
    """What Pyro gives for a stored value.

    Raises:
        NetworkError: The constraint is another one, or there is none.
    """
    if isinstance(constraint, _Real):
        return value
    bound = getattr(constraint, "lower_bound", None)
    if isinstance(constraint, _SoftplusPositive | _GreaterThan) and isinstance(bound, int | float) and bound == 0:
        wide = value.double()
        return nn.functional.softplus(wide) if isinstance(constraint, _SoftplusPositive) else wide.exp()
    said = "no constraint" if constraint is None else f"the constraint {type(constraint).__name__.removeprefix('_')}"
    above = f" {bound!r}" if isinstance(bound, int | float) else ""
    raise NetworkError(f"'{name}' in {path} has {said}{above}; real, positive or softplus positive is needed")


def _foreign(kind: str, values: Mapping[str, Tensor], where: str) -> Foreign:
    """Sorts the values of a guide by what they are.

    Raises:
        NetworkError: Something of the guide is missing, or is not of a guide of this kind.
    """
    means = _under(values, f"{kind}.locs.")
    stds = _under(values, f"{kind}.scales.")
    own = {name.removeprefix(f"{kind}."): value for name, value in values.items() if name.startswith(f"{kind}.")}
    single = {name: value for name, value in own.items() if not name.startswith(("locs.", "scales."))}
    expected = set() if kind == "AutoNormal" else {"loc", "scale"}
    if means.keys() != stds.keys() or single.keys() != expected:
        odd = next(iter((means.keys() ^ stds.keys()) or (single.keys() ^ expected)))
        raise NetworkError(f"{where} is no whole {kind}: '{odd}' is without its other half, or has no place in one")
    flat = Flat(single["loc"], single["scale"]) if single else None
    if flat is not None and (flat.mean.ndim != 1 or flat.mean.shape != flat.std.shape):
        raise NetworkError(
            f"{where} has means of shape {tuple(flat.mean.shape)} and standard deviations of "
            f"{tuple(flat.std.shape)}; an AutoDiagonalNormal has one vector of each"
        )
    points = {name: value for name, value in values.items() if not name.startswith(f"{kind}.")}
    return Foreign(_KINDS[kind], means, stds, points, flat)


def _under(values: Mapping[str, Tensor], prefix: str) -> Params:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _value(guide: Any, name: str) -> Tensor:
    found = guide
    for part in name.split("."):
        found = getattr(found, part)
    return found.detach()


def _points(wrapped: object) -> Params:
    """What a guide's model holds besides its sites, where it is a module; the guide keeps it wrapped."""
    model = importlib.import_module("pyro.poutine.messenger").unwrap(wrapped)
    if not isinstance(model, nn.Module):
        return {}
    every = [*model.named_parameters(), *model.named_buffers()]
    return {name: value.detach() for name, value in every if not name.endswith("_unconstrained") and _plain(value)}


def _real(support: Any) -> bool:
    return getattr(support, "base_constraint", support) is constraints.real


def _split(flat: Tensor, sites: Mapping[str, Any]) -> Params:
    """A flat guide's values by site: in the order of the sites, each of the size of its value."""
    shapes = [site["value"].shape for site in sites.values()]
    parts = flat.split([math.prod(shape) for shape in shapes])
    return {name: part.view(shape) for name, part, shape in zip(sites, parts, shapes, strict=True)}
