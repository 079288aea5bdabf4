"""A network with a posterior over its params: what fitting gives, pruning maps to itself, and forms are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from bitsback.errors import NetworkError, RecipeError
from bitsback.form.contract import Form
from bitsback.form.program import Program, Units
from bitsback.given.compatibility import check_answers, check_compatible
from bitsback.given.dataset import Dataset, Split
from bitsback.given.network import Network, trace
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples
from bitsback.settings import check_positive


@dataclass(frozen=True)
class FittedNetwork:
    """A network and what is believed of its params.

    Attributes:
        network: Traced for evaluation; what has no distribution is among its `deterministic`, with the reason.
        posterior: Over its params.
        units: What ties it to the user's units.
        history: One entry for each epoch of the fit: `epoch`, `nll`, `kl`, `loss`, `seconds`; empty where it was imported.
        masks: What was pruned, 0 where a weight is gone, by param name.
        temperature: What multiplied the KL; None where the posterior was imported.
    """

    network: Network
    posterior: Posterior
    units: Units
    history: list[dict[str, float]] = field(default_factory=list)
    masks: Params = field(default_factory=dict)
    temperature: float | None = 1.0

    def __repr__(self) -> str:
        """How much there is of what; the tensors would fill pages."""
        return f"FittedNetwork({self.parameters:,} parameters, {self.deterministic:,} as points, {self.gone:,} pruned)"

    @property
    def parameters(self) -> int:
        """How many parameters the network has, pruned ones included."""
        return sum(param.numel() for param in self.network.params.values())

    @property
    def deterministic(self) -> int:
        """How many of them have no distribution."""
        return sum(self.network.params[name].numel() for name in self.network.deterministic)

    @property
    def gone(self) -> int:
        """How many of them are pruned."""
        return sum(int((mask == 0).sum()) for mask in self.masks.values())

    @property
    def sparsity(self) -> float:
        """The share of weights that is gone, among the params that have a mask, rounded to 4 digits."""
        whole = sum(mask.numel() for mask in self.masks.values())
        return round(self.gone / whole, 4) if whole else 0.0

    def program(self, form: Form) -> Program:
        """The program that predicts in a form.

        Raises:
            RecipeError: A setting of the form is out of range, or the posterior has nothing that the form needs.
            ExportError: It cannot be exported.
        """
        return replace(form.program(self.network, self.posterior, self.units), temperature=self.temperature)


@dataclass(frozen=True)
class Traces:
    """A module traced twice.

    Attributes:
        train: As it behaves in training (dropout, batch statistics).
        evaluation: As it behaves in use.
    """

    train: Network
    evaluation: Network


def trace_both(module: nn.Module, data: Dataset, deterministic: Sequence[str] = ()) -> Traces:
    """Trace a module for training and for use, and see that it fits the data.

    Raises:
        NetworkError: It cannot be traced, or cannot be fitted to these data.
    """
    traces = Traces(
        train=trace(module, data.input_shape, train=True, deterministic=deterministic),
        evaluation=trace(module, data.input_shape, deterministic=deterministic),
    )
    name = type(module).__name__
    for network in (traces.train, traces.evaluation):
        check_compatible(network, data, name)
    check_answers(traces.evaluation, data, name)
    return traces


def examples(data: Dataset, split: Split) -> Examples:
    """A split as the training loop takes it: standardized inputs, and classes or standardized targets."""
    inputs = torch.from_numpy(data.normalization.apply(split.inputs))
    if data.target_normalization is not None:
        return Examples(inputs, torch.from_numpy(data.target_normalization.apply(split.targets)))
    return Examples(inputs, torch.from_numpy(split.targets))


def likelihood(data: Dataset) -> Likelihood:
    """How the network's outputs explain the data's targets."""
    return Likelihood(data.task, data.outputs)


def units(data: Dataset, log_noise: Tensor) -> Units:
    """The units of a data set and of the noise that was learned on it."""
    return Units(data.task, data.normalization, data.target_normalization, log_noise)


def noise_of(data: Dataset, noise: float | None) -> Tensor:
    """A known noise as the units have it: log standard deviations `[D]` of standardized targets, empty for classes.

    Args:
        data: The data set.
        noise: The standard deviation of a regression's noise in the targets' unit.

    Raises:
        RecipeError: A regression has none, or classes have one.
    """
    if data.target_normalization is None:
        if noise is not None:
            raise RecipeError(f"noise is {noise!r}, and the targets of '{data.name}' are classes, which have none")
        return torch.zeros(0)
    if noise is None:
        raise RecipeError(f"noise is missing: '{data.name}' is a regression, whose noise is no part of the network")
    check_positive("noise", noise)
    return math.log(noise) - torch.tensor(data.target_normalization.std).log()


def as_random_as(network: Network, posterior: Posterior) -> Network:
    """The network with what a posterior has no distribution over among its `deterministic`."""
    points = {name: "not in the posterior" for name in network.bayesian if name in posterior.fixed}
    return replace(network, deterministic={**network.deterministic, **points}) if points else network


def at_mean(network: Network, posterior: Posterior) -> Network:
    """The network with its params and buffers at the posterior's mean: where fine-tuning starts."""
    return network.at(posterior.centre())


def chain_ends(network: Network, posterior: Posterior) -> list[Params]:
    """Where chains that go on from a posterior's start: at the last value of each; none where they are not several."""
    listing = posterior.listing
    if listing is None or listing.chains == 1:
        return []
    drawn = posterior.sample(listing.values, torch.Generator())
    each = listing.values // listing.chains
    return [
        {name: stack[(chain + 1) * each - 1] for name, stack in drawn.items() if name in network.params}
        for chain in range(listing.chains)
    ]


def check_same_params(network: Network, other: Network) -> None:
    """Refuse two networks of which one cannot start at the other's params.

    Raises:
        NetworkError: A param is only in one of them, or has another shape.
    """
    shapes, others = ({name: tuple(each.shape) for name, each in one.params.items()} for one in (network, other))
    differing = sorted(name for name in shapes | others if shapes.get(name) != others.get(name))
    if differing:
        name = differing[0]
        raise NetworkError(
            f"the network cannot start at that result: '{name}' is {shapes.get(name, 'not there')} in the one and "
            f"{others.get(name, 'not there')} in the other; the params of both must be the same"
        )
