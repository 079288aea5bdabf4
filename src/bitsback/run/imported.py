"""A posterior that was made elsewhere, as what `fit` would have left in a run folder."""

from collections.abc import Mapping
from pathlib import Path

from bitsback.errors import RunError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.measure.journal import Measurement
from bitsback.posterior import store
from bitsback.posterior.foreign import Placed, place
from bitsback.posterior.foreign_source import read
from bitsback.posterior.store import Stored
from bitsback.recipe.inference import Imported
from bitsback.run import portrait
from bitsback.run.fitted import noise_of
from bitsback.run.folder import RunFolder
from bitsback.run.materials import Materials

_OF = {"stage": "dense", "form": "point"}


def bring(materials: Materials, asked: Imported) -> tuple[Stored, list[Measurement]]:
    """Read the posterior that a recipe names.

    Args:
        materials: What the recipe names.
        asked: The recipe's part.

    Returns:
        The posterior, and the rows that say where it comes from and what it looks like.

    Raises:
        NetworkError: The file is missing or damaged, or does not fit the network.
        RecipeError: A regression's noise is missing.
    """
    network, path = materials.traces.evaluation, Path(asked.posterior or "")
    placed = place(network, read(path), asked.names, asked.sites)
    stored = Stored(placed.posterior, noise_of(materials.data, asked.noise), None)
    return stored, [*_origin(network, placed, path), *portrait.histograms(placed.posterior, {}, _OF)]


def check_unchanged(run: RunFolder, stored: Stored, asked: Imported) -> None:
    """Refuse a file that is not what a folder was made of any more.

    Raises:
        RunError: It has changed since, or the folder's posterior cannot be read.
    """
    before, after = (_values(each) for each in (store.load(run.file("posterior")), stored))
    if before.keys() != after.keys() or not all(before[name].equal(after[name]) for name in before):
        raise RunError(
            f"{asked.posterior} is not what {run.path} was made of; give another folder, or start over in this one with "
            "--fresh"
        )


def counts(network: Network, placed: Placed) -> dict[str, int]:
    """How many parameters have a distribution, and why the others have none.

    Returns:
        `random`; `narrowed`: given with a distribution, and points here; `given_points`; `own`: given nothing for, so that they
        keep the network's own values; `own_buffers`: the same of the numbers in buffers.
    """
    sizes = {name: tensor.numel() for name, tensor in network.params.items()}
    found = {
        "random": sum(sizes[name] for name in placed.posterior.means),
        "narrowed": sum(sizes.get(name, 0) for name in placed.narrowed),
        "own": sum(sizes.get(name, 0) for name in placed.own),
    }
    buffers = sum(network.buffers[name].numel() for name in placed.own if name in network.buffers)
    return {**found, "given_points": sum(sizes.values()) - sum(found.values()), "own_buffers": buffers}


def summary(found: Mapping[str, object]) -> str:
    """What was brought, in a line.

    Args:
        found: What the journal's row is of.
    """
    points = [("narrowed", "at the mean"), ("given_points", "given as points"), ("own", "of the network's own")]
    others = [f"{found[key]:,} {words}" for key, words in points if found[key]]
    return f"{found['source']}, {found['random']:,} parameters with a distribution" + (
        f", and as points {', '.join(others)}" if others else ""
    )


def names_of(names: tuple[str, ...]) -> str:
    """The first names in words."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def doubt(found: Mapping[str, object], own_names: str) -> str | None:
    """What a user may not have meant: what keeps the network's own values; None where nothing does.

    Args:
        found: What `counts` gave.
        own_names: Of what keeps its values.
    """
    if not found["own"] and not found["own_buffers"]:
        return None
    buffers = f" and {found['own_buffers']:,} numbers in buffers" if found["own_buffers"] else ""
    return (
        f"the posterior says nothing of {found['own']:,} parameters{buffers} ({own_names}), which keep the network's own "
        "values as points"
    )


def _origin(network: Network, placed: Placed, path: Path) -> list[Measurement]:
    found = counts(network, placed)
    of = {**_OF, "source": placed.kind, "file": path.name, **found, "own_names": names_of(placed.own)}
    points = sum(tensor.numel() for tensor in network.params.values()) - found["random"]
    return [
        Measurement("imported_parameters", found["random"], "", of=of),
        Measurement("deterministic_parameters", points, "", of=_OF),
    ]


def _values(stored: Stored) -> Params:
    variances = {f"variance of {name}": marginal.var for name, marginal in stored.posterior.marginals().items()}
    return {**stored.posterior.centre(), **variances, "noise": stored.log_noise}
