"""One job of the study: one data set, one method, one seed, from training to rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bitsback.compress.masks import sweep
from bitsback.form.outputs import Outputs, classify
from bitsback.form.program import Units
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network, trace
from bitsback.given.params import Params
from bitsback.given.reference import mlp
from bitsback.measure import quality
from bitsback.measure.journal import Measurement, Scalar
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.contract import Posterior, mean
from bitsback.posterior.fit import Examples, FitSettings, Fitted, Progress, fit
from bitsback.posterior.likelihood import Likelihood
from examples.weight_pruning import distributions, timing
from examples.weight_pruning.methods import BATCH, HIDDEN, METHODS, PUBLISHED_SGD, SPARSITIES

DRAWS = 30
_PREDICTIVE_AT = (0.0, 0.9, 0.95)
_CHUNK = 2000


@dataclass(frozen=True)
class Job:
    """What one job is.

    Attributes:
        dataset: a name of `DATASETS`.
        method: a name of `METHODS`.
        seed: of the initial weights and of training.
        epochs: passes over the training data.
    """

    dataset: str
    method: str
    seed: int
    epochs: int

    @property
    def of(self) -> dict[str, Scalar]:
        """What its rows say about themselves."""
        return {"dataset": self.dataset, "method": self.method, "epochs": self.epochs}

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.dataset}-{self.method}-{self.seed}-{self.epochs}"


@dataclass(frozen=True)
class Sets:
    """A data set as standardized tensors: what is trained on, tested on, and what lies outside."""

    train: Examples
    test: Examples
    outside: Tensor

    @classmethod
    def of(cls, data: Dataset) -> "Sets":
        """Standardizes with the training split's normalization."""

        def tensor(inputs: np.ndarray) -> Tensor:
            return torch.from_numpy(data.normalization.apply(inputs))

        return cls(
            Examples(tensor(data.train.inputs), torch.from_numpy(data.train.targets)),
            Examples(tensor(data.test.inputs), torch.from_numpy(data.test.targets)),
            tensor(data.out_of_distribution),
        )


def run(job: Job, data: Dataset, checkpoints: Path, watch: Callable[[Progress], None]) -> list[Measurement]:
    """Trains, prunes, measures.

    Args:
        job: what to do.
        data: its data set, without validation and calibration splits.
        checkpoints: a folder; a killed job goes on from there.
        watch: is told the progress of training.

    Returns:
        All rows of the job, unstamped.
    """
    sets, method = Sets.of(data), METHODS[job.method]
    torch.manual_seed(job.seed)
    module = _initialized(mlp(data.input_shape, data.outputs, hidden=HIDDEN, dropout=method.dropout))
    network = trace(module, data.input_shape)
    fitted = fit(
        trace(module, data.input_shape, train=True),
        method.inference,
        Likelihood("classification", data.outputs),
        sets.train,
        FitSettings(job.epochs, BATCH, method.optimization, seed=job.seed),
        path=checkpoints / f"{job.name}.safetensors",
        watch=watch,
        observe=lambda posterior: {"test_accuracy": _accuracy(_point(network, posterior, sets.test.inputs), sets.test)},
    )
    rows = [*_history(job, fitted), *distributions.rows(fitted.posterior, job.of)]
    for saliency in method.saliencies:
        policy = Policy(Choice(saliency=saliency))
        for sparsity, pruned in sweep(fitted.posterior, policy, SPARSITIES).items():
            of = {**job.of, "saliency": saliency, "sparsity": sparsity}
            rows += _quality(network, pruned, sets, of, own=saliency == method.saliencies[0])
    if job.seed == 0:
        units = Units("classification", data.normalization, None, fitted.log_noise)
        own = sweep(fitted.posterior, Policy(Choice(saliency=method.saliencies[0])), SPARSITIES)
        rows += timing.rows(network, units, own, data.test.inputs[:64], job.of)
    return rows


def _initialized(module: nn.Module) -> nn.Module:
    """He's initialization (He et al. 2015, eq. 10) for every method alike.

    PyTorch's own starts weights so close to zero that the prior's spike keeps most of them there from the first epoch on.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return module


def _history(job: Job, fitted: Fitted) -> Iterator[Measurement]:
    entries = fitted.history
    seconds = [entry["seconds"] for entry in entries]
    # The first epoch holds the compilation.
    later = seconds[1:] or seconds
    spread = (float(np.quantile(later, 0.25)), float(np.quantile(later, 0.75)))
    yield Measurement("epoch_seconds", float(np.median(later)), "s", job.of, repeats=len(later), spread=spread)
    yield Measurement("kl", entries[-1]["kl"], "nats", job.of)
    yield Measurement("temperature", FitSettings().temperature, "", job.of)
    reached = _seconds_to(job, entries)
    yield Measurement("seconds_to_published_accuracy", reached, "s", {**job.of, "accuracy": PUBLISHED_SGD[job.dataset]})
    names = ("epoch", "loss", "nll", "kl", "seconds", "test_accuracy")
    yield Measurement("loss_curve", None, "", job.of, series={n: [entry[n] for entry in entries] for n in names})


def _seconds_to(job: Job, entries: list[dict[str, float]]) -> float | None:
    """Training time until the test accuracy first is the published one of SGD; None where it never is."""
    seconds = np.cumsum([entry["seconds"] for entry in entries])
    there = [i for i, entry in enumerate(entries) if entry["test_accuracy"] >= PUBLISHED_SGD[job.dataset]]
    return float(seconds[there[0]]) if there else None


def _quality(network: Network, pruned: Posterior, sets: Sets, of: dict[str, Scalar], own: bool) -> list[Measurement]:
    """Accuracy of the posterior-mean network, and at some sparsities every figure of the 30-draw predictive."""
    plain = _point(network, pruned, sets.test.inputs)
    rows = [Measurement("accuracy", _accuracy(plain, sets.test), "share", of)]
    if not own or of["sparsity"] not in _PREDICTIVE_AT:
        return rows
    uncertain = any(bool(marginal.var.any()) for marginal in pruned.marginals().values())
    draws = pruned.sample(DRAWS, torch.Generator().manual_seed(0)) if uncertain else None
    inside = _predict(network, pruned, draws, sets.test.inputs) if uncertain else plain
    outside = _predict(network, pruned, draws, sets.outside)
    figures = quality.classification(_numpy(inside), sets.test.targets.numpy(), _numpy(outside))
    if not uncertain:
        del figures["accuracy"]
    figures = {"predictive_accuracy" if what == "accuracy" else what: value for what, value in figures.items()}
    return rows + [Measurement(what, value, quality.UNITS.get(what, ""), of) for what, value in figures.items()]


def _point(network: Network, posterior: Posterior, inputs: Tensor) -> Outputs:
    return _predict(network, posterior, None, inputs)


@torch.no_grad()
def _predict(network: Network, posterior: Posterior, draws: Params | None, inputs: Tensor) -> Outputs:
    """The predictive of the given draws, or of the posterior mean without any."""
    fixed = posterior.fixed
    if draws is None:
        draws = {name: value.unsqueeze(0) for name, value in mean(posterior).items()}
    members = [
        {**fixed, **{name: value[i] for name, value in draws.items()}} for i in range(len(next(iter(draws.values()))))
    ]
    parts = []
    for chunk in inputs.split(_CHUNK):
        answers = torch.stack([network(member, chunk) for member in members])
        parts.append(classify(torch.log_softmax(answers, -1)))
    return Outputs(*(torch.cat(field) for field in zip(*parts, strict=True)))


def _accuracy(outputs: Outputs, examples: Examples) -> float:
    return float((outputs.mean.argmax(-1) == examples.targets).double().mean())


class _Arrays(Outputs):
    """`Outputs` of NumPy arrays, as the measures take them."""


def _numpy(outputs: Outputs) -> quality.Outputs:
    return _Arrays(*(field.double().numpy() for field in outputs))  # pyright: ignore[reportArgumentType, reportReturnType]
