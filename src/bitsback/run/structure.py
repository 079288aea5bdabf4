"""A structure that a recipe names in place of a policy: masks from a file, or what a run that was compressed has left.

Members that start inside a structure differ by what they are trained on, and by what they are at first: each its own weights
(Lakshminarayanan et al. 2017), or the structure's. Its first layers may be common to all of them (deep sub-ensembles,
Valdenegro-Toro 2019): what is computed once costs one network's time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bitsback.errors import RecipeError, RunError
from bitsback.given.network import Network, hold
from bitsback.given.params import Params
from bitsback.given.weights import load_weights
from bitsback.posterior import store
from bitsback.recipe.sections import Compress
from bitsback.run import folder


@dataclass(frozen=True)
class Structure:
    """Which weights are kept.

    Attributes:
        masks: Zeros and ones by param name.
        weights: What the pruned network has, buffers included; empty where there is no network.
    """

    masks: Params
    weights: Params = field(default_factory=dict)


def read(path: Path) -> Structure:
    """A structure.

    Args:
        path: A safetensors file of masks, or the folder of a run that was compressed.

    Raises:
        NetworkError: The file is missing or damaged.
        RunError: The run has no pruned network, or what it has is damaged.
    """
    if not path.is_dir():
        return Structure(load_weights(path))
    stored = store.load(folder.open_run(path).need("compressed", "compress"))
    if not stored.masks:
        raise RunError(f"{path} is the folder of a run in which nothing was pruned; it has no masks")
    return Structure(stored.masks, stored.posterior.centre())


def named(asked: Compress) -> Structure | None:
    """The structure that a recipe names, if it names one.

    Raises:
        RecipeError: It names none, and says what is to be taken from it.
        BitsbackError: As `read`.
    """
    if asked.masks is not None:
        return read(Path(asked.masks))
    for key, value in (("start", asked.start != "own" and asked.start), ("shared", list(asked.shared))):
        if value:
            raise RecipeError(
                f"compress.{key} is {value!r}, and there is no structure; compress.masks names the run that has it"
            )
    return None


def begin(
    asked: Compress, structure: Structure, network: Network, own: Sequence[Params]
) -> tuple[Network, Sequence[Params]]:
    """Where members begin inside a structure.

    Args:
        asked: What the recipe says of it.
        structure: The same.
        network: With the weights that a single chain starts at.
        own: Those that each of several chains starts at.

    Returns:
        The network, what is shared held in it, and the chains' starts.

    Raises:
        RunError: The recipe asks for weights of the structure, and it is a file of masks, or of another network.
        NetworkError: A pattern of what is shared matches nothing.
    """
    if asked.start == "own" and not asked.shared:
        return network, own
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
    return found, [{name: each for name, each in start.items() if name not in found.held} for start in own]


def _shape(weights: Params, name: str) -> tuple[int, ...] | str:
    return tuple(weights[name].shape) if name in weights else "not there"
