"""What a recipe's names stand for: the data set, the traced network, the inference method, the training loop's settings."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from bitsback.errors import RecipeError
from bitsback.given import dataset
from bitsback.given.dataset import Dataset, DataSettings
from bitsback.given.resolve import resolve
from bitsback.posterior.inference import Inference
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point import Point
from bitsback.posterior.prior import Normal, Prior, ScaleMixture
from bitsback.recipe import inference as asked_for
from bitsback.recipe.sections import Recipe
from bitsback.run.fitted import Traces, trace_both


@dataclass(frozen=True)
class Materials:
    """A recipe with what it names.

    Attributes:
        recipe: The recipe.
        data: The data set, split.
        traces: The network, traced for training and for use.
    """

    recipe: Recipe
    data: Dataset
    traces: Traces


def gather(recipe: Recipe) -> Materials:
    """Load the data and make the network; the same recipe gives the same tensors. PyTorch gets the recipe's threads.

    Raises:
        BitsbackError: The data set, the network or a setting is not there, malformed, or does not fit the others.
    """
    torch.set_num_threads(fit_settings(recipe).threads)
    data = load_data(recipe)
    asked = recipe.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        weights = Path(asked.weights) if asked.weights is not None else None
        module = resolve(asked.name, data.input_shape, data.outputs, asked.options, weights=weights)
    return Materials(recipe, data, trace_both(module, data, asked.deterministic))


def load_data(recipe: Recipe) -> Dataset:
    """The data set alone."""
    found = asdict(recipe.data)
    name, folder = found.pop("name"), found.pop("folder")
    return dataset.load(
        name, data=Path(folder) if folder is not None else None, seed=recipe.seed, settings=DataSettings(**found)
    )


def inference(recipe: Recipe) -> Inference:
    """The method that fits the posterior.

    Raises:
        RecipeError: A setting of the prior is out of range, or nothing is to be fitted.
    """
    asked = recipe.inference
    if isinstance(asked, asked_for.Point):
        return Point()
    if isinstance(asked, asked_for.Imported):
        raise RecipeError(
            "inference.method is 'imported', which fits nothing; a posterior is fitted by 'mean_field' or 'point'"
        )
    return MeanField(prior(asked), asked.estimator, asked.kl, asked.initial_std, asked.std_rate)


def prior(asked: asked_for.MeanField) -> Prior:
    """The prior of every weight.

    Raises:
        RecipeError: A setting is out of range.
    """
    if isinstance(asked.prior, asked_for.NormalPrior):
        return Normal(asked.prior.std)
    return ScaleMixture(asked.prior.pi, asked.prior.std1, asked.prior.std2)


def fit_settings(recipe: Recipe) -> FitSettings:
    """How the training loop runs.

    Raises:
        RecipeError: A setting is out of range.
    """
    asked = recipe.fit
    optimization = Optimization(
        optimizer=asked.optimizer,
        learning_rate=asked.learning_rate,
        momentum=asked.momentum,
        weight_decay=asked.weight_decay,
        schedule=asked.schedule,
    )
    return FitSettings(
        epochs=asked.epochs,
        batch=asked.batch,
        optimization=optimization,
        temperature=recipe.temperature,
        kl_weighting=asked.kl_weighting,
        antithetic=asked.antithetic,
        compile=asked.compile,
        threads=asked.threads,
        checkpoint_seconds=asked.checkpoint_seconds,
        seed=recipe.seed,
    )
