"""How far the propagated form of a run is from Monte Carlo, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from bitsback.errors import RunError
from bitsback.measure.journal import Measurement
from bitsback.moments.check import Layer, check
from bitsback.moments.monte_carlo import Draws
from bitsback.run.compress import compressed
from bitsback.run.fit import dense
from bitsback.run.folder import RunFolder
from bitsback.run.forms import propagated
from bitsback.run.identity import check_data
from bitsback.run.materials import Materials
from bitsback.run.watcher import Step, Watcher
from bitsback.settings import check_among, check_whole

Stage = Literal["dense", "compressed"]


@dataclass(frozen=True)
class MomentCheck:
    """What a check of moments asks for.

    Attributes:
        stage: Which posterior.
        draws: Of the Monte Carlo estimate, at least 2; a standard deviation is known to about 1/√(2 draws) of itself.
        inputs: How many inputs of the validation split (of the training split where there is none), at least 1.
    """

    stage: Stage = "compressed"
    draws: int = 1000
    inputs: int = 16

    def __post_init__(self) -> None:
        check_among("stage", self.stage, get_args(Stage))
        check_whole("draws", self.draws, 2)
        check_whole("inputs", self.inputs, 1)


def check_moments(
    run: RunFolder, materials: Materials, asked: MomentCheck, watcher: Watcher | None = None
) -> list[Layer]:
    """Compare one pass over Gaussians with draws of the whole network; a row of the journal keeps the result.

    Args:
        run: The folder, with what `fit` (and `compress`) left in it.
        materials: Of its recipe.
        asked: Which posterior, how many draws and inputs.
        watcher: Is told how many are drawn.

    Returns:
        A figure for every node of the network whose value is random, in the network's order.

    Raises:
        RunError: The stage's result is missing, the data are others than those of the fit, or no weight is random.
        ExportError: An operator of the network has no rule over Gaussians.
    """
    recipe, data = materials.recipe, materials.data
    check_data(run, data)
    fitted = dense(run, materials) if asked.stage == "dense" else compressed(run, materials)
    if not any(bool(var.any()) for _, var in fitted.posterior.marginals().values()):
        raise RunError(f"{run.path} holds a point, whose weights have no variance; there are no moments to check")
    members = propagated(materials).members(fitted.network, fitted.posterior, fitted.units)
    split = data.validation if len(data.validation.inputs) else data.train
    inputs = torch.from_numpy(data.normalization.apply(split.inputs[: asked.inputs]))
    found = check(members.network, fitted.posterior, members.interpreter, inputs, _draws(asked, recipe.seed, watcher))
    run.record([_row(found, asked)], recipe.seed)
    return found


def _draws(asked: MomentCheck, seed: int, watcher: Watcher | None) -> Draws:
    step = (watcher or Watcher()).step
    words = f"drawing the network {asked.draws:,} times"
    step(Step(words, 0, asked.draws))
    return Draws(asked.draws, torch.Generator().manual_seed(seed), lambda done: step(Step(words, done, asked.draws)))


def _row(found: Sequence[Layer], asked: MomentCheck) -> Measurement:
    of = {"stage": asked.stage, "form": "propagated", "draws": asked.draws, "inputs": asked.inputs}
    series = {
        "node": [layer.node for layer in found],
        "operator": [layer.operator for layer in found],
        "mean_error": [layer.mean_error for layer in found],
        "std_ratio": [layer.std_ratio for layer in found],
        "std_low": [layer.std_quartiles[0] for layer in found],
        "std_high": [layer.std_quartiles[1] for layer in found],
        "correlation": [layer.correlation for layer in found],
    }
    return Measurement("moment_check", None, "", of=of, series=series)
