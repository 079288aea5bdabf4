"""Compression to a size: the packed file is never larger than what is asked for, and hardly smaller."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bitsback.artifact.container import encode
from bitsback.artifact.manifest import AbstainRule
from bitsback.artifact.tensors import pack
from bitsback.errors import RunError
from bitsback.form.one_by_one import asked, members_of
from bitsback.form.point import PointForm
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.measure.journal import Measurement
from bitsback.posterior import fit as training
from bitsback.posterior.code_length import MOST_LEVELS, CodeLength
from bitsback.posterior.code_length import Target as Size
from bitsback.posterior.code_objective import CodeLengthObjective
from bitsback.posterior.distillation import Distillation, Distilled, with_teacher
from bitsback.posterior.fit import Fitted, Progress
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.store import Stored
from bitsback.recipe.compression import Target
from bitsback.recipe.form import DRAWS
from bitsback.recipe.sections import Recipe
from bitsback.run.fitted import FittedNetwork, as_random_as, at_mean, examples, likelihood
from bitsback.run.folder import RunFolder
from bitsback.run.materials import Materials, fit_settings
from bitsback.run.programs import artifact, described_again, recipe_in

LEAST = 0.98
"""The share of the size that is asked for that a file has at least."""
REACHED = "sized_bytes"
"""What a row is called that says how large the file is without figures."""
_RULE, _SLACK = 100, 32
"""Bytes of an abstain rule, which a file may do without, and of what else is not known before."""
_WORTHS, _TRIES = (-30.0, -10.0, -3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0), 16
"""What weights are tried to be worth (`Cells`) to find the last bytes, and how often the step between two of them is halved."""
_AGAIN = 3
_BATCH = 1000
_ENOUGH = ((1.0, 5), (1.4, 7), (1.8, 11), (2.2, 15), (2.6, 23), (3.2, 31), (3.8, 47))
"""Up to so many bits for each weight so many levels are enough."""


def whole_size(network: Network, target: Target) -> int:
    """The bytes that a target allows the file."""
    if target.bytes is not None:
        return target.bytes
    assert target.ratio is not None  # one of them is there
    tensors = (*network.params.values(), *network.buffers.values())
    return int(sum(4 * each.numel() for each in tensors if each.is_floating_point()) / target.ratio)


def coded(
    run: RunFolder, materials: Materials, before: FittedNetwork, watch: Callable[[Progress], None] | None
) -> tuple[Stored, list[Measurement]]:
    """The code-length posterior whose packed file has the size that the recipe asks for.

    A run that was killed goes on where it stopped.

    Args:
        run: The folder.
        materials: Of its recipe, which has a target.
        before: What `fit` left there: where it starts, and the teacher.
        watch: Is told the progress.

    Returns:
        It, and the KL, the code length and the bytes side by side.

    Raises:
        RunError: No file of this network is so small, or it has nothing to compress.
        DataError: The loss stops being a number.
    """
    recipe, target = materials.recipe, materials.recipe.compress.target
    assert target is not None
    network, known = at_mean(materials.traces.train, before.posterior), likelihood(materials.data)
    method, size, rest = _method(target), whole_size(before.network, target), partial(_rest, before, materials)
    start = method.objective(network, known, {})
    beside = rest(start.posterior(start.start(), network.buffers))
    aimed = _aim(size) - beside
    _check_possible(start, aimed, size)
    method = replace(method, levels=target.levels or _levels(start, aimed), target=Size(aimed, measured))
    given, folder = examples(materials.data, materials.data.train), run.file("cycles")
    folder.mkdir(exist_ok=True)
    taught = Distillation(target.distillation, target.softening)
    if taught.share:
        given, known = with_teacher(given, said(before, given.inputs)), Distilled(known.task, known.outputs, taught)
    path = folder / f"target-{hashlib.sha256(repr(recipe.compress).encode()).hexdigest()[:16]}.checkpoint"
    fitted = training.fit(network, method, known, given, settings(recipe), path=path, watch=watch)
    start = method.objective(network, known, {})
    posterior, reached = _exactly(start, fitted, (beside, rest), size)
    masks = {name: (each != 0).float() for name, each in posterior.values.items() if each.ndim > 1}
    stored = Stored(posterior, fitted.log_noise, _price(fitted), fitted.history, masks)
    return stored, [*_spent(start, fitted, posterior), Measurement(REACHED, reached, "bytes")]


def _method(target: Target) -> CodeLength:
    """The code-length posterior of a target.

    Raises:
        RecipeError: A setting is out of range.
    """
    shared = {each.name: getattr(target, each.name) for each in fields(CodeLength) if hasattr(target, each.name)}
    return CodeLength(**{name: value for name, value in shared.items() if value is not None})


def _levels(start: CodeLengthObjective, aimed: int) -> int:
    """How many levels may come in so many bytes: as many as leave zero half of the weights."""
    weights = sum(start.network.params[name].numel() for name in start.coded)
    bits = 8 * aimed / weights
    return next((levels for most, levels in _ENOUGH if bits <= most), MOST_LEVELS)


def _aim(size: int) -> int:
    """Bytes that leave some room for figures."""
    return size - max(size // 100 - _RULE, _SLACK)


def _check_possible(start: CodeLengthObjective, aimed: int, size: int) -> None:
    """Refuse a size that no file of the network can have.

    Args:
        start: Of its training.
        aimed: The bytes that are left for its params.
        size: Those that are asked for.

    Raises:
        RunError: It is larger, or nothing of it can be made smaller.
    """
    params = start.network.params
    if not any(params[name].ndim > 1 for name in start.coded):
        raise RunError("the network has no layer whose weights could be made smaller; all stay points")
    least = measured({name: torch.zeros_like(params[name]) for name in start.coded})
    if aimed <= least:
        raise RunError(
            f"a file of {size:,} bytes is asked for, and one of this network takes {size - aimed + least:,} if all its weights "
            "are 0: its graph, what is said of it, and what is stored as it is; ask for more"
        )


def measured(params: Params) -> int:
    """The bytes that tensors take in the file, one by one."""
    return sum(pack(name, each.numpy(), 0)[0].size for name, each in params.items())


def settings(recipe: Recipe) -> FitSettings:
    """Of the training: those of the fit, but for what the recipe says of fine-tuning."""
    compress, found = recipe.compress, fit_settings(recipe)
    rate = compress.learning_rate or found.optimization.learning_rate
    optimization = replace(found.optimization, learning_rate=rate, weight_decay=0.0)
    epochs = compress.fine_tune_epochs or found.epochs
    return replace(found, epochs=epochs, optimization=optimization, temperature=1.0)


@torch.no_grad()
def said(before: FittedNetwork, inputs: Tensor) -> Tensor:
    """What the network says of inputs, `[N, C]`: log probabilities or means; of a posterior, the average of some draws.

    Args:
        before: The network.
        inputs: Standardized.
    """
    posterior, network = before.posterior, before.network
    spread = any(bool(var.any()) for _, var in posterior.marginals().values())
    tensors = [posterior.centre()]
    if spread:
        count = DRAWS if posterior.listing is None else posterior.listing.values
        tensors = members_of(posterior.fixed, posterior.sample(count, torch.Generator().manual_seed(0)))
    classes = before.units.task == "classification"
    found = []
    for batch in inputs.split(_BATCH):
        answers = asked(network, tensors)(batch)
        mean = torch.log_softmax(answers, -1).logsumexp(0) - np.log(len(tensors)) if classes else answers.mean(0)
        found.append(mean)
    return torch.cat(found)


def _spent(objective: CodeLengthObjective, fitted: Fitted, posterior: PointPosterior) -> list[Measurement]:
    """What the weights cost: by the KL, by the symbols' code length, and as the stream that is written."""
    length = objective.length(objective.at_rest(fitted.variables)) / math.log(2) / 8
    return [
        Measurement("kl", fitted.history[-1]["kl"], "nats"),
        Measurement("code_length", length, "bytes"),
        Measurement("coded_bytes", measured(posterior.values), "bytes"),
        Measurement("temperature", _price(fitted), ""),
    ]


def _price(fitted: Fitted) -> float:
    """What a nat cost in the end: the temperature that the size asked for, to as many digits as tell something."""
    return float(f"{fitted.history[-1]['price']:.4g}")


def _exactly(
    objective: CodeLengthObjective, fitted: Fitted, rest: tuple[int, Callable[[PointPosterior], int]], size: int
) -> tuple[PointPosterior, int]:
    """The posterior whose file has the size that is asked for, and that size: a little more or less of the weights is 0.

    Raises:
        RunError: None that was found is so small.
    """
    (beside, ask), reached = rest, 0
    posterior = objective.posterior(fitted.variables, fitted.buffers)
    for _ in range(_AGAIN):
        posterior = _trimmed(objective, fitted, _aim(size) - beside)
        beside = ask(posterior)
        reached = beside + measured(posterior.values)
        if LEAST * size <= reached <= size:
            return posterior, reached
    if reached > size:
        raise RunError(
            f"a file of {size:,} bytes is asked for, and the smallest that was found takes {reached:,}; ask for more"
        )
    return posterior, reached


def _trimmed(objective: CodeLengthObjective, fitted: Fitted, aimed: int) -> PointPosterior:
    """The most that fits into so many bytes: a little more or a little less of the weights is 0."""

    def made(worth: float) -> tuple[int, PointPosterior]:
        posterior = objective.posterior(fitted.variables, fitted.buffers, worth)
        return measured(posterior.values), posterior

    tried = [(*made(worth), worth) for worth in _WORTHS]
    fitting = [each for each in tried if each[0] <= aimed]
    if not fitting:
        return tried[-1][1]
    _, found, high = max(fitting, key=lambda each: each[0])
    low = max((worth for over, _, worth in tried if over > aimed and worth < high), default=high)
    for _ in range(_TRIES if low < high else 0):
        middle = (low + high) / 2
        now, posterior = made(middle)
        if now > aimed:
            low = middle
        else:
            found, high = posterior, middle
    return found


def _rest(before: FittedNetwork, materials: Materials, posterior: PointPosterior) -> int:
    """The bytes of a file beside its coded params: the graph, the manifest without figures, and what is stored as it is."""
    network = replace(
        before,
        network=as_random_as(before.network, posterior),
        posterior=posterior,
    )
    found = artifact(network.program(PointForm()), materials.data, {})
    rule = AbstainRule("total", 1 / 3, 0.05, 0.95)
    described = described_again(found, recipe=recipe_in(materials.recipe, "0" * 16, {}), abstain=rule)
    return len(encode(described)) - measured(posterior.values)
