"""The networks and data sets that the study looks at: two recipes each, beside this file."""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bitsback.form.members import Precision
from bitsback.given.dataset import Dataset
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import read
from bitsback.run.compress import compress, compressed
from bitsback.run.fit import fit, recipe_of
from bitsback.run.fitted import FittedNetwork
from bitsback.run.folder import open_run
from bitsback.run.materials import Materials
from bitsback.run.watcher import Watcher

_HERE, _RESULT = Path(__file__).parent, "compressed.safetensors"


@dataclass(frozen=True)
class Case:
    """One network on one data set.

    Attributes:
        kind: the name that its two recipes begin with.
        dataset: what it is fitted to.
        counts: how many members its ensembles have.
        weights: a file of published weights in the folder of data that its networks start at.
        stored: how the weights of members are stored where nothing else is looked at.
    """

    kind: str
    dataset: str
    counts: tuple[int, ...] = (32, 16, 8)
    weights: Path | None = None
    stored: Precision = "int8"

    def asked(self, part: str, data: Path) -> Recipe:
        """The recipe of the "structure" or of the "members", its data found in a folder of named sets."""
        recipe = read(_HERE / f"{self.kind}_{part}.toml")
        recipe = replace(recipe, data=replace(recipe.data, name=self.dataset, folder=str(data.resolve())))
        if self.weights is None:
            return recipe
        return replace(recipe, network=replace(recipe.network, weights=str(data.resolve() / self.weights)))


CASES = {
    "mlp-mnist": Case("mlp", "mnist"),
    "mlp-fashion-mnist": Case("mlp", "fashion-mnist"),
    "lenet5-mnist": Case("lenet5", "mnist", stored="int6"),
    "lenet5-fashion-mnist": Case("lenet5", "fashion-mnist", stored="int6"),
    "resnet20-cifar10": Case("resnet20", "cifar10-jpeg", (8,), Path("resnet-cifar10", "resnet20-12fca82f.th")),
}


@dataclass(frozen=True)
class Fitted:
    """What the study looks at in one case.

    Attributes:
        single: one network, dense, as long trained as the structure's began.
        structure: the same, pruned in cycles, whose masks all members have.
        dense: the members before.
        shared: the members inside that structure.
        data: their data set.
    """

    single: FittedNetwork
    structure: FittedNetwork
    dense: FittedNetwork
    shared: FittedNetwork
    data: Dataset


def fitted(name: str, data: Path, runs: Path) -> Fitted:
    """All of a case, fitted and pruned or found in its two run folders.

    Raises:
        BitsbackError: Its data are not there, or a folder holds another run.
    """
    case = CASES[name]
    command = shlex.join(["python", "-m", "examples.shared_ensemble", "--only", name])
    runs.mkdir(parents=True, exist_ok=True)
    of, inside = runs / f"{name}-structure", runs / name
    structure, single, _ = _pruned(of, case.asked("structure", data), command)
    asked = case.asked("members", data)
    asked = replace(asked, compress=replace(asked.compress, masks=str(of.resolve())))
    result = inside / _RESULT
    if result.exists() and (of / _RESULT).stat().st_mtime > result.stat().st_mtime:
        result.unlink()  # it is of an earlier structure
    shared, before, materials = _pruned(inside, asked, command)
    return Fitted(single, structure, before, shared, materials.data)


def _pruned(path: Path, asked: Recipe, command: str) -> tuple[FittedNetwork, FittedNetwork, Materials]:
    """What a recipe makes, before pruning and after, found in its folder where the recipe there asked for the same."""
    watcher = Watcher(tell=lambda words: print(words, file=sys.stderr))
    if (path / _RESULT).exists() and recipe_of(open_run(path)).compress != asked.compress:
        (path / _RESULT).unlink()
    run, materials, before = fit(path, asked, watcher, command=command)
    pruned = compressed(run, materials) if run.has("compressed") else compress(run, materials, watch=watcher.watch)
    return pruned, before, materials
