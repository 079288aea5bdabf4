"""A structure that a recipe names in place of a policy: masks from a file, or what a run that was compressed has left.

Members that start inside a structure differ by what they are trained on, and by what they are at first: each its own weights
(Lakshminarayanan et al. 2017), weights drawn anew, or the structure's. Its first layers may be common to all of them (deep
sub-ensembles, Valdenegro-Toro 2019): what is computed once costs one network's time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bitsback.errors import RecipeError, RunError
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network, hold
from bitsback.given.params import Params
from bitsback.given.weights import load_weights
from bitsback.posterior import store
from bitsback.recipe.sections import Compress, Recipe
from bitsback.run import folder
from bitsback.run.identity import check_data
from bitsback.run.materials import chains


@dataclass(frozen=True)
class Structure:
    """Which weights are kept.

    Attributes:
        masks: Zeros and ones by param name.
        weights: What the pruned network has, buffers included; empty where there is no network, or several.
    """

    masks: Params
    weights: Params = field(default_factory=dict)


def read(path: Path, data: Dataset) -> Structure:
    """A structure.

    Args:
        path: A safetensors file of masks, or the folder of a run that was compressed.
        data: What will be fitted inside it.

    Raises:
        NetworkError: The file is damaged.
        RunError: There is nothing there, the run has no pruned network, what it has is damaged, or it saw other data: its
            training split may hold what is a test here.
    """
    if not path.exists():
        raise RunError(f"compress.masks names {path}, which is neither the folder of a run nor a file of masks")
    if not path.is_dir():
        return Structure(load_weights(path))
    run = folder.open_run(path)
    check_data(run, data)
    stored = store.load(run.need("compressed", "compress"))
    if not stored.masks:
        raise RunError(f"{path} is the folder of a run in which nothing was pruned; it has no masks")
    one = stored.posterior.listing is None
    return Structure(stored.masks, stored.posterior.centre() if one else {})


def named(recipe: Recipe, data: Dataset) -> Structure | None:
    """The structure that a recipe names, if it names one.

    Raises:
        RecipeError: It names none, and says what is to be taken from it; or it asks a single chain to begin afresh.
        BitsbackError: As `read`.
    """
    asked = recipe.compress
    if asked.start == "fresh" and chains(recipe) == 1:
        raise RecipeError("compress.start is 'fresh', which is for methods with several chains, such as deep_ensemble")
    if asked.shared_from == "mean" and chains(recipe) == 1:
        raise RecipeError(
            "compress.shared_from is 'mean', which is for methods with several chains, such as deep_ensemble"
        )
    if asked.masks is not None:
        return read(Path(asked.masks), data)
    for key, value in (("start", asked.start != "own" and asked.start), ("shared", list(asked.shared))):
        if value:
            raise RecipeError(
                f"compress.{key} is {value!r}, and there is no structure; compress.masks names the run that has it"
            )
    return None


def begin(
    asked: Compress, structure: Structure, network: Network, own: Sequence[Params], mean: Params
) -> tuple[Network, Sequence[Params]]:
    """Where members begin inside a structure.

    Args:
        asked: What the recipe says of it.
        structure: The same.
        network: With the weights that a single chain starts at.
        own: Those that each of several chains starts at, drawn anew where the recipe asks for fresh ones.
        mean: Over what members have of their own, where the recipe asks for it.

    Returns:
        The network, what is shared held in it, and the chains' starts.

    Raises:
        RunError: The recipe asks for weights of the structure, and it is a file of masks, or of another network.
        NetworkError: A pattern of what is shared matches nothing.
    """
    if asked.start == "fresh":
        own = [{name: each * _gain(structure.masks.get(name), each) for name, each in start.items()} for start in own]
    if asked.start != "structure" and not asked.shared:
        return network, own
    if asked.shared_from == "mean":
        return _in_common(hold(network, asked.shared, mean), own)
    if not structure.weights:
        raise RunError(
            f"members begin with weights of {asked.masks}, which has none, or those of several members; a run of one network "
            "is needed"
        )
    names = {**network.params, **network.buffers}
    unlike = next((name for name, each in names.items() if _shape(structure.weights, name) != tuple(each.shape)), None)
    if unlike is not None:
        raise RunError(
            f"members begin with weights of {asked.masks}, where '{unlike}' is {_shape(structure.weights, unlike)}; "
            f"the network has {tuple(names[unlike].shape)}, and a run that pruned the same network is needed"
        )
    found = hold(network, asked.shared, structure.weights)
    if asked.start == "structure":
        return found.at(structure.weights), [{name: structure.weights[name] for name in network.params}] * len(own)
    return _in_common(found, own)


def _in_common(network: Network, own: Sequence[Params]) -> tuple[Network, Sequence[Params]]:
    """Starts of what the network does not hold."""
    return network, [{name: each for name, each in start.items() if name not in network.held} for start in own]


def _gain(mask: Tensor | None, weights: Tensor) -> Tensor:
    """What keeps the variance of each output as it was before most of its inputs went (Evci et al. 2022, section 3).

    √(weights of an output / those that are kept): layers keep so few that without it signals vanish on their way.
    """
    if mask is None or mask.ndim < 2:
        return torch.ones((), dtype=weights.dtype)
    kept = mask.flatten(1).sum(1).clamp_min(1)
    return (mask[0].numel() / kept).sqrt().reshape(-1, *[1] * (mask.ndim - 1))


def _shape(weights: Params, name: str) -> tuple[int, ...] | str:
    return tuple(weights[name].shape) if name in weights else "not there"
