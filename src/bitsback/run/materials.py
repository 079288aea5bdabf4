"""What a recipe's names stand for: the data set, the traced network, the inference method, the training loop's settings."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from bitsback.errors import RecipeError
from bitsback.given import dataset
from bitsback.given.dataset import Dataset, DataSettings
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.given.resolve import resolve
from bitsback.posterior.code_length import CodeLength
from bitsback.posterior.ensembles import DeepEnsemble, SnapshotEnsemble
from bitsback.posterior.hmc import Hmc
from bitsback.posterior.inference import Inference, Sampling
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.mc_dropout import McDropout
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point import Point
from bitsback.posterior.prior import Normal, Prior, ScaleMixture
from bitsback.posterior.sg_mcmc import SgMcmc
from bitsback.posterior.sqs import Sqs
from bitsback.posterior.streams import chain_seed
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
    module = _module(recipe, data.input_shape, data.outputs, recipe.seed)
    return Materials(recipe, data, trace_both(module, data, recipe.network.deterministic))


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
    match asked:
        case asked_for.Point():
            return Point()
        case asked_for.CodeLength():
            return CodeLength(**{name: each for name, each in asdict(asked).items() if name != "method"})
        case asked_for.Sqs():
            return Sqs(**{name: each for name, each in asdict(asked).items() if name != "method"})
        case asked_for.McDropout():
            return McDropout()
        case asked_for.MeanField():
            return MeanField(prior(asked), asked.estimator, asked.kl, asked.initial_std, asked.std_rate)
        case asked_for.Imported():
            raise RecipeError(
                "inference.method is 'imported', which fits nothing; a posterior is fitted by 'mean_field'"
            )
        case _:
            return _sampling(asked)


def _sampling(
    asked: asked_for.DeepEnsemble | asked_for.SnapshotEnsemble | asked_for.SgMcmc | asked_for.Hmc,
) -> Inference:
    match asked:
        case asked_for.DeepEnsemble():
            return DeepEnsemble(asked.members)
        case asked_for.SnapshotEnsemble():
            return SnapshotEnsemble(asked.members)
        case asked_for.SgMcmc():
            lengths = asked.samples, asked.chains, asked.cycles, asked.burn_in
            return SgMcmc(asked.method, *lengths, asked.learning_rate, asked.momentum, prior(asked))
        case asked_for.Hmc():
            steps = asked.leapfrog, asked.step, asked.acceptance
            return Hmc(asked.samples, asked.chains, asked.burn_in, *steps, prior(asked))


def chains(recipe: Recipe) -> int:
    """How many chains, or members that are trained one by one, the method has."""
    method = inference(recipe)
    return method.chains if isinstance(method, Sampling) else 1


def starts(recipe: Recipe, network: Network) -> list[Params]:
    """Where the chains of a method start that has several: each at the weights that another seed gives, the first at the run's.

    Weights that come from a file, and what a network of the user's own does not draw, are the same in all.
    """
    found = []
    count = chains(recipe)
    for chain in range(count if count > 1 else 0):
        module = _module(recipe, network.input_shape, network.outputs, chain_seed(recipe.seed, chain))
        found.append({
            name: value.detach().clone() for name, value in module.named_parameters() if name in network.params
        })
    return found


def _module(recipe: Recipe, input_shape: tuple[int, ...], outputs: int, seed: int) -> nn.Module:
    asked = recipe.network
    weights = Path(asked.weights) if asked.weights is not None else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return resolve(asked.name, input_shape, outputs, asked.options, weights=weights)


def prior(asked: asked_for.MeanField | asked_for.SgMcmc | asked_for.Hmc) -> Prior:
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
