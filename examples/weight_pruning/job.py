"""One job of the study: one data set, one method, one seed, from training to rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bitsback.compress.masks import sweep
from bitsback.form.one_by_one import asked, members_of, predict
from bitsback.form.program import Units
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.given.reference import mlp
from bitsback.lower.run.onnx import Outputs
from bitsback.measure import quality
from bitsback.measure.journal import Measurement, Scalar
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.contract import Posterior
from bitsback.posterior.fit import FitSettings, Fitted, Progress, fit
from bitsback.run.fitted import examples, likelihood, trace_both, units
from examples.weight_pruning import distributions, timing
from examples.weight_pruning.methods import BATCH, HIDDEN, METHODS, SPARSITIES

DRAWS = 30
_PREDICTIVE_AT = (0.0, 0.9, 0.95)


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
class Exam:
    """What posteriors over one network's params are asked: the test images, and those that lie outside."""

    network: Network
    units: Units
    data: Dataset

    def accuracy(self, posterior: Posterior) -> float:
        """The share of test images that the posterior-mean network classifies right."""
        answers = self._answers([posterior.centre()], self.data.test.inputs)
        return float((answers.mean.argmax(axis=1) == self.data.test.targets).mean())

    def figures(self, posterior: Posterior) -> dict[str, float | None]:
        """Every figure of quality of the 30-draw predictive; of the point, where there is nothing to draw."""
        uncertain = any(bool(var.any()) for _, var in posterior.marginals().values())
        draws = posterior.sample(DRAWS, torch.Generator().manual_seed(0)) if uncertain else {}
        members = members_of(posterior.fixed, draws) if uncertain else [posterior.centre()]
        inside, outside = (
            self._answers(members, each) for each in (self.data.test.inputs, self.data.out_of_distribution)
        )
        found = quality.classification(inside, self.data.test.targets, outside)
        accuracy = found.pop("accuracy")
        return {"predictive_accuracy": accuracy, **found} if uncertain else found

    def _answers(self, tensors: list[Params], inputs: np.ndarray) -> Outputs:
        return Outputs(*(each.numpy() for each in predict(asked(self.network, tensors), self.units, inputs)))


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
    method = METHODS[job.method]
    torch.manual_seed(job.seed)
    traces = trace_both(_initialized(mlp(data.input_shape, data.outputs, hidden=HIDDEN, dropout=method.dropout)), data)
    exam = Exam(traces.evaluation, units(data, torch.zeros(0)), data)
    fitted = fit(
        traces.train,
        method.inference_for(job.dataset),
        likelihood(data),
        examples(data, data.train),
        FitSettings(job.epochs, BATCH, method.optimization_for(job.dataset), seed=job.seed),
        path=checkpoints / f"{job.name}.safetensors",
        watch=watch,
        observe=lambda posterior: {"test_accuracy": exam.accuracy(posterior)},
    )
    rows = [*_history(job, fitted), *distributions.rows(fitted.posterior, job.of)]
    pruned = {
        saliency: sweep(fitted.posterior, Policy(Choice(saliency=saliency)), SPARSITIES)
        for saliency in method.saliencies
    }
    for saliency, posteriors in pruned.items():
        for sparsity, posterior in posteriors.items():
            of = {**job.of, "saliency": saliency, "sparsity": sparsity}
            rows += _quality(exam, posterior, of, whole=saliency == method.own_saliency and sparsity in _PREDICTIVE_AT)
    if job.seed == 0:
        rows += timing.rows(exam.network, exam.units, pruned[method.own_saliency], data.test.inputs[:64], job.of)
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
    names = ("epoch", "loss", "nll", "kl", "seconds", "test_accuracy")
    yield Measurement("loss_curve", None, "", job.of, series={n: [entry[n] for entry in entries] for n in names})


def _quality(exam: Exam, posterior: Posterior, of: dict[str, Scalar], *, whole: bool) -> list[Measurement]:
    """The accuracy of the posterior-mean network and, on the whole, every figure of the predictive."""
    figures = {"accuracy": exam.accuracy(posterior)} | (exam.figures(posterior) if whole else {})
    return [Measurement(what, value, quality.UNITS.get(what, ""), of) for what, value in figures.items()]
