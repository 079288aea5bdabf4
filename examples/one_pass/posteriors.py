"""The posteriors that the study looks at: recipes beside this file, on the data that each stands for."""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bitsback.given.dataset import Dataset
from bitsback.recipe.inference import MeanField, MixturePrior
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import read
from bitsback.run.fit import fit
from bitsback.run.fitted import FittedNetwork
from bitsback.run.watcher import Watcher

_HERE = Path(__file__).parent
_PUBLISHED = Path("resnet-cifar10", "resnet20-12fca82f.th")


@dataclass(frozen=True)
class Posterior:
    """One of them.

    Attributes:
        recipe: the name of a file beside this one.
        dataset: what it is fitted to.
        published: whether its means start from published weights.
    """

    recipe: str
    dataset: str
    published: bool = False

    def asked(self, data: Path) -> Recipe:
        """The whole recipe, its data found in a folder of named sets."""
        recipe = read(_HERE / self.recipe)
        folder = str(data.resolve())
        recipe = replace(recipe, data=replace(recipe.data, name=self.dataset, folder=folder))
        if self.published:
            recipe = replace(recipe, network=replace(recipe.network, weights=str(Path(folder) / _PUBLISHED)))
        if self.dataset == "fashion-mnist":  # as in examples/weight_pruning, where it was tuned on held-out images
            assert isinstance(recipe.inference, MeanField)
            prior = MixturePrior(std2=0.0067)
            fitting = replace(recipe.fit, learning_rate=6e-4)
            recipe = replace(recipe, inference=replace(recipe.inference, prior=prior), fit=fitting)
        return recipe


POSTERIORS = {
    "mlp100-mnist": Posterior("mlp_100.toml", "mnist"),
    "mlp500-mnist": Posterior("mlp_500.toml", "mnist"),
    "lenet5-mnist": Posterior("lenet_5.toml", "mnist"),
    "mlp100-fashion": Posterior("mlp_100.toml", "fashion-mnist"),
    "mlp500-fashion": Posterior("mlp_500.toml", "fashion-mnist"),
    "lenet5-fashion": Posterior("lenet_5.toml", "fashion-mnist"),
    "resnet20-cifar10": Posterior("resnet_20.toml", "cifar10-jpeg", published=True),
}


def fitted(name: str, data: Path, runs: Path) -> tuple[FittedNetwork, Dataset]:
    """A posterior, fitted or found in its run folder.

    Raises:
        BitsbackError: Its data or weights are not there, or the folder holds another run.
    """
    command = shlex.join(["python", "-m", "examples.one_pass", "--only", name])
    watcher = Watcher(tell=lambda words: print(words, file=sys.stderr))
    runs.mkdir(parents=True, exist_ok=True)
    _, materials, network = fit(runs / name, POSTERIORS[name].asked(data), watcher, command=command)
    return network, materials.data
