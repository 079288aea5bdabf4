"""The ways to predict from one posterior that the study sets side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import entropy

from bitsback.form.one_by_one import asked, members_of, predict
from bitsback.form.point import PointForm
from bitsback.form.program import Program
from bitsback.form.propagated import PropagatedForm
from bitsback.form.stored import Stored
from bitsback.given.dataset import Dataset
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, NativeSession, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.onnx import Outputs
from bitsback.moments.calibration import calibration
from bitsback.run.fitted import FittedNetwork

Predict = Callable[[np.ndarray], Outputs]
DRAWS, SETS = 30, 10
_CALIBRATED_ON = 32  # training inputs


@dataclass(frozen=True)
class Way:
    """A way to predict.

    Attributes:
        name: for the journal.
        title: for tables.
        native: makes its plan, where native kernels do it.
    """

    name: str
    title: str
    native: Callable[[FittedNetwork, Dataset], Plan] | None = None


def _propagated(weights: Stored) -> Callable[[FittedNetwork, Dataset], Plan]:
    return lambda fitted, _: plan_of(fitted.program(PropagatedForm(weights=weights)))


def _calibrated(fitted: FittedNetwork, data: Dataset) -> Plan:
    inputs = torch.from_numpy(data.normalization.apply(data.train.inputs[:_CALIBRATED_ON]))
    return plan_of(fitted.program(PropagatedForm(calibration=calibration(inputs, 0))))


WAYS = {
    way.name: way
    for way in (
        Way("point", "posterior mean", lambda fitted, _: plan_of(fitted.program(PointForm()))),
        Way("one_pass", "one pass", _propagated("float32")),
        Way("one_pass_bfloat16", "one pass, bfloat16", _propagated("bfloat16")),
        Way("one_pass_tied", "one pass, tied variances", _propagated("tied")),
        Way("one_pass_factored", "one pass, factored convolutions", _propagated("factored")),
        Way("one_pass_calibrated", "one pass, calibrated", _calibrated),
        Way("svi", f"{DRAWS} draws, mean of {SETS} sets"),
        Way("svi_all", f"{DRAWS * SETS} draws"),
    )
}


def loaded(plan: Plan, batches: tuple[int, ...]) -> NativeSession:
    """A plan, compiled for this machine."""
    return open_library(plan, build(plan, runnable()[0], [Entry(batch) for batch in batches]))


def drawn(fitted: FittedNetwork, raw: np.ndarray, draws: int = DRAWS, sets: int = 1) -> list[Outputs]:
    """What averages over draws of the whole network say, each over so many that no other has."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(sets):
        members = asked(fitted.network, members_of(fitted.posterior.fixed, fitted.posterior.sample(draws, generator)))
        found.append(Outputs(*(each.numpy() for each in predict(members, fitted.units, raw))))
    return found


def together(parts: Sequence[Outputs]) -> Outputs:
    """What all draws say, given what equally many of them say each."""
    mean, data = (np.mean([getattr(each, name) for each in parts], 0) for name in ("mean", "data"))
    knowledge = np.maximum(entropy(mean, axis=-1) - data, 0)
    return Outputs(mean, data + knowledge, data, knowledge)


def in_pytorch(program: Program, batch: int = 100) -> Predict:
    """A program, in PyTorch."""

    @torch.no_grad()
    def run(raw: np.ndarray) -> Outputs:
        parts = [program.module(each) for each in torch.from_numpy(raw).split(batch)]
        return Outputs(*(torch.cat(each).numpy() for each in zip(*parts, strict=True)))

    return run
