"""The ways to predict that the study sets side by side."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitsback.form.ensemble import EnsembleForm
from bitsback.form.members import Precision, stored, unstored
from bitsback.form.one_by_one import asked, members_of, predict
from bitsback.form.program import Program
from bitsback.given.params import Params
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, open_library
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.onnx import Outputs
from bitsback.run.fitted import FittedNetwork
from examples.shared_ensemble.cases import Fitted

Predict = Callable[[np.ndarray], Outputs]
BITS: tuple[Precision, ...] = ("int8", "int6", "int4", "int3", "int2")


@dataclass(frozen=True)
class Way:
    """A way to predict.

    Attributes:
        name: for the journal.
        network: a field of `Fitted`.
        members: how many; 1 for one network after the other, whose figures are averaged.
        weights: how they are stored.
    """

    name: str
    network: str
    members: int
    weights: Precision = "float32"

    def of(self, fitted: Fitted) -> FittedNetwork:
        """The network that it asks."""
        return getattr(fitted, self.network)

    def program(self, fitted: Fitted) -> Program:
        """Its program, of several members."""
        return self.of(fitted).program(EnsembleForm(self.members, member_weights=self.weights))


def ways(counts: tuple[int, ...], usual: Precision = "int8") -> dict[str, Way]:
    """All of them, by name, for ensembles of some sizes, the largest first, whose weights are usually stored so."""
    most = counts[0]
    found = [
        Way("single", "single", 1),
        Way("structure", "structure", 1),
        Way("dense", "dense", 1),
        *(Way(f"dense_{count}", "dense", count) for count in counts),
        Way("shared", "shared", 1),
        *(Way(f"shared_{count}_float32", "shared", count) for count in counts),
        *(Way(f"shared_{count}_{usual}", "shared", count, usual) for count in counts),
        *(Way(f"shared_{most}_{bits}", "shared", most, bits) for bits in ("bfloat16", *BITS) if bits != usual),
        *(Way(f"{which}_{bits}", which, 1, bits) for which in ("dense", "shared") for bits in BITS),
    ]
    return {way.name: way for way in found}


def predictors(way: Way, fitted: Fitted) -> list[Predict]:
    """What answers: one of several members, or each network by itself."""
    network = way.of(fitted)
    if way.members == 1:
        return [_in_pytorch(network, [each]) for each in _tensors(network, way.weights)]
    if way.network == "shared":
        plan = plan_of(way.program(fitted))
        return [open_library(plan, build(plan, runnable()[0], [Entry(20), Entry(1)])).run]
    form = EnsembleForm(way.members, member_weights=way.weights)
    draws = {name: each[0] for name, each in form.held(network.posterior).items()}
    return [_in_pytorch(network, members_of(network.posterior.fixed, draws))]


def _tensors(network: FittedNetwork, weights: Precision) -> list[Params]:
    """Every tensor of each network alone, as it is stored: with factors of its own."""
    listing = network.posterior.listing
    if listing is None:
        return [network.posterior.centre()]
    form = EnsembleForm(listing.values)
    draws = {name: each[0] for name, each in form.held(network.posterior).items()}
    members = members_of(network.posterior.fixed, draws)
    if weights == "float32":
        return members
    names = network.posterior.marginals()
    found = []
    for each in members:
        alone = stored({name: each[name].unsqueeze(0) for name in names}, names, weights)
        found.append({**each, **{name: unstored(value).tensor[0] for name, value in alone.items()}})
    return found


def _in_pytorch(network: FittedNetwork, tensors: list[Params]) -> Predict:
    def run(raw: np.ndarray) -> Outputs:
        found = predict(asked(network.network, tensors), network.units, raw)
        return Outputs(*(each.numpy() for each in found))

    return run
