"""A posterior that was made elsewhere, put onto a traced network.

Whatever made it, it is independent normals by name. Its names need not be the network's: one prefix that all of either side
have before the others' names is passed over (`net.1.weight` is `1.weight`); what differs by more is named.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from bitsback.errors import NetworkError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.mean_field import MeanFieldPosterior

Names = Mapping[str, str | None]


class Flat(NamedTuple):
    """Means and standard deviations of all sites in one vector each, in an order that the vectors do not say."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Foreign:
    """A posterior under the names that it was made with.

    Attributes:
        kind: What it is, as reports say it.
        means: Means by name.
        stds: Standard deviations, same names and shapes.
        points: What has one value, by name.
        flat: What is not by name yet.
        bounded: The names whose normal is not over the value itself but over a transformation of it.
    """

    kind: str
    means: Params = field(default_factory=dict)
    stds: Params = field(default_factory=dict)
    points: Params = field(default_factory=dict)
    flat: Flat | None = None
    bounded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Placed:
    """A posterior over a network's params.

    Attributes:
        posterior: Over the params.
        kind: What it was before.
        narrowed: Params that have a distribution in what was given and are points here (norms, what was asked for).
        own: Params and buffers that nothing was given for: they keep the network's own values, as points.
    """

    posterior: MeanFieldPosterior
    kind: str
    narrowed: tuple[str, ...]
    own: tuple[str, ...]


def place(network: Network, foreign: Foreign, names: Names | None = None, sites: Sequence[str] = ()) -> Placed:
    """Put a posterior onto a network.

    Args:
        network: Traced.
        foreign: The posterior.
        names: The network's params by the posterior's names, for those that the rule above does not find; None (or "") leaves
            one out.
        sites: The order of a flat posterior's names.

    Raises:
        NetworkError: A name, a shape or a value does not fit.
    """
    names = {} if names is None else names
    tensors = {**network.params, **network.buffers}
    if foreign.flat is not None or sites:
        foreign = _cut(foreign, sites, names, tensors)
    places = matched([*foreign.means, *foreign.points], tensors, names)
    for name, place_ in places.items():
        given = foreign.means[name] if name in foreign.means else foreign.points[name]
        _check_fits(name, given, place_, tensors[place_], foreign)
    means = {places[n]: _as(foreign.means[n], tensors[places[n]]) for n in foreign.means if n in places}
    stds = {places[n]: _as(foreign.stds[n], tensors[places[n]]) for n in foreign.stds if n in places}
    points = {places[n]: _as(foreign.points[n], tensors[places[n]]) for n in foreign.points if n in places}
    _check_values(means, stds, points)
    random = [name for name in network.bayesian if name in means]
    if not random:
        raise NetworkError("the posterior has a distribution over no weight of the network that can have one")
    fixed = {name: means.get(name, points.get(name, tensor)) for name, tensor in tensors.items() if name not in random}
    own = tuple(n for n in fixed if n not in means | points and tensors[n].is_floating_point())
    posterior = MeanFieldPosterior({n: means[n] for n in random}, {n: stds[n] for n in random}, fixed)
    return Placed(posterior, foreign.kind, tuple(n for n in means if n not in random), own)


def matched(found: Sequence[str], tensors: Iterable[str], names: Names) -> dict[str, str]:
    """Which of a network's tensors each name of a posterior means; what is left out is not among them.

    Raises:
        NetworkError: A name has no place, or two have the same.
    """
    there = set(tensors)
    for name, asked in names.items():
        if name not in found:
            raise NetworkError(f"the posterior has no '{name}' to be named; there are {_some(found)}")
        if asked and asked not in there:
            raise NetworkError(
                f"'{name}' is to be '{asked}', which the network does not have; there are {_some(tensors)}"
            )
    rest = [name for name in found if name not in names]
    places = {name: asked for name, asked in names.items() if asked} | _by_prefix(rest, list(tensors))
    for name in rest:
        if name not in places:
            raise NetworkError(
                f"'{name}' of the posterior is no param of the network, which has {_some(tensors)}; name the param that it "
                "is, or leave it out"
            )
    first: dict[str, str] = {}
    for name, asked in places.items():
        if first.setdefault(asked, name) != name:
            raise NetworkError(
                f"'{first[asked]}' and '{name}' of the posterior are both '{asked}'; leave one of them out"
            )
    return places


def _by_prefix(found: Sequence[str], tensors: Sequence[str]) -> dict[str, str]:
    """The names that have a place when one prefix is dropped from them, or from the tensors': the one that places most."""
    there, best = set(tensors), dict[str, str]()
    dropped = dict.fromkeys(prefix for name in found for prefix in _prefixes(name))
    added = dict.fromkeys(prefix for name in tensors for prefix in _prefixes(name))
    for drop, add in [*((each, "") for each in dropped), *(("", each) for each in added)]:
        whole = {name: add + name.removeprefix(drop) for name in found if name.startswith(drop)}
        places = {name: asked for name, asked in whole.items() if asked in there}
        best = places if len(places) > len(best) else best
    return best


def _prefixes(name: str) -> list[str]:
    """What can be dropped from a name: of "a.b.c" nothing, "a." or "a.b."."""
    parts = name.split(".")
    return ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts))]


def _cut(foreign: Foreign, sites: Sequence[str], names: Names, tensors: Params) -> Foreign:
    """A flat posterior by name.

    Raises:
        NetworkError: Nothing says which number belongs to which name, or they are not as many.
    """
    if foreign.flat is None:
        raise NetworkError(
            f"sites are given, and the posterior is {foreign.kind}, whose values have names of their own"
        )
    if not sites:
        raise NetworkError(
            f"the posterior is {foreign.kind}, which does not say which of its {len(foreign.flat.mean):,} values belongs to "
            "which weight; sites must name them in the order in which the model samples them"
        )
    if len(set(sites)) < len(sites):
        raise NetworkError(f"sites are {list(sites)!r}; each is sampled once")
    places = matched([*sites, *foreign.points], tensors, names)
    shapes = [tensors[places[site]].shape if site in places else torch.Size([1]) for site in sites]
    sizes = [shape.numel() for shape in shapes]
    if sum(sizes) != len(foreign.flat.mean):
        raise NetworkError(
            f"the posterior is {foreign.kind} of {len(foreign.flat.mean):,} values, and the sites have {sum(sizes):,}"
        )
    means, stds = (
        {site: part.view(shape) for site, part, shape in zip(sites, each.split(sizes), shapes, strict=True)}
        for each in foreign.flat
    )
    return replace(foreign, means={**foreign.means, **means}, stds={**foreign.stds, **stds}, flat=None)


def _check_fits(name: str, given: Tensor, place_: str, tensor: Tensor, foreign: Foreign) -> None:
    if given.shape != tensor.shape:
        raise NetworkError(
            f"'{name}' of the posterior has shape {tuple(given.shape)}, and '{place_}' of the network {tuple(tensor.shape)}"
        )
    if name in foreign.bounded:
        raise NetworkError(
            f"'{name}' has a bounded support in the model, so that its posterior is no normal; leave it out"
        )
    if name in foreign.stds and foreign.stds[name].shape != given.shape:
        raise NetworkError(
            f"the means of '{name}' have shape {tuple(given.shape)}, and its standard deviations "
            f"{tuple(foreign.stds[name].shape)}"
        )


def _check_values(means: Params, stds: Params, points: Params) -> None:
    for name, value in {**points, **means}.items():
        wrong = value[~torch.isfinite(value)]
        if len(wrong):
            raise NetworkError(f"the posterior's values for '{name}' hold {wrong[0]:g}; each must be finite")
    for name, std in stds.items():
        wrong = std[~((std > 0) & (std.square() > 0) & torch.isfinite(std))]  # a square can vanish
        if len(wrong):
            raise NetworkError(
                f"the standard deviations of '{name}' hold {wrong[0]:g}; each, and its square, must be finite and above 0"
            )


def _as(value: Tensor, tensor: Tensor) -> Tensor:
    return value.detach().to("cpu", tensor.dtype).clone()


def _some(names: Iterable[str]) -> str:
    every = [f"'{name}'" for name in names]
    return ", ".join(every[:3]) + (f" and {len(every) - 3} more" if len(every) > 3 else "")
