"""The one training loop: every inference method, every network, every data set goes through it."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bitsback.errors import DataError, RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior import checkpoint
from bitsback.posterior.contract import Posterior
from bitsback.posterior.inference import Inference, Objective
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings, Loop
from bitsback.posterior.streams import stream_seed


class Progress(NamedTuple):
    """Where a run is: steps done of all steps, the epoch (from 0), and the last minibatch's NLL in nats."""

    step: int
    steps: int
    epoch: int
    nll: float


class Fitted(NamedTuple):
    """What a fit gives.

    Attributes:
        posterior: the fitted posterior.
        log_noise: regression's log noise standard deviations `[D]` in standardized units, else empty.
        history: per epoch `epoch`, `nll` (nats per datum), `kl` (nats in all), `loss` (their sum per datum), `seconds`.
    """

    posterior: Posterior
    log_noise: Tensor
    history: list[dict[str, float]]


def fit(
    network: Network,
    inference: Inference,
    likelihood: Likelihood,
    examples: Examples,
    settings: FitSettings,
    *,
    masks: Params | None = None,
    path: Path | None = None,
    watch: Callable[[Progress], None] | None = None,
    observe: Callable[[Posterior], dict[str, float]] | None = None,
) -> Fitted:
    """Fits a posterior.

    Args:
        network: traced for training; its params are where the means start.
        inference: the method.
        likelihood: how outputs explain targets.
        examples: the training split.
        settings: of the loop.
        masks: 0/1 tensors by param name that hold pruned weights at zero.
        path: where checkpoints go; a run killed at any moment goes on from it with the same result (same seed, same
            thread count).
        watch: is told the progress, about every tenth step.
        observe: measures the posterior after every epoch; what it returns goes into the history, its time does not.

    Returns:
        The posterior and the history.

    Raises:
        DataError: the training split is empty, or the loss stops being a number.
        RecipeError: weight decay is asked for beside a prior, or compilation without a compiler.
        RunError: a checkpoint cannot be read or written.
    """
    objective = inference.objective(network, likelihood, masks or {})
    _check(objective, examples, settings)
    said = [repr(inference), repr(likelihood), network.graph.code, list(network.bayesian), list(masks or {})]
    tensors = [objective.start(), network.params, network.buffers, masks or {}, examples._asdict()]
    fingerprint = "" if path is None else _fingerprint(settings, said, tensors)
    with _own_random_state(settings.seed), _threads(settings.threads):
        loop = Loop(objective, network, examples, settings)
        loop.observe = observe or (lambda _: {})
        if path is not None and path.exists():
            loop.restore(checkpoint.load(path, fingerprint))
        saved = time.monotonic()
        while loop.step():
            state = loop.state
            if watch and (state.step % 10 == 0 or state.step == loop.steps):
                watch(Progress(state.step, loop.steps, (state.step - 1) // loop.per_epoch, loop.last_nll))
            if path is not None and time.monotonic() - saved >= settings.checkpoint_seconds:
                checkpoint.save(path, loop.snapshot(), fingerprint)
                saved = time.monotonic()
    state = loop.state
    variables = {name: tensor.detach() for name, tensor in state.variables.items()}
    return Fitted(objective.posterior(variables, state.buffers), variables["log_noise"], state.history)


def _check(objective: Objective, examples: Examples, settings: FitSettings) -> None:
    if len(examples.inputs) == 0:
        raise DataError("the training split is empty; at least one example is needed")
    if settings.optimization.weight_decay and not objective.decays:
        raise RecipeError(
            f"weight_decay is {settings.optimization.weight_decay}; a posterior has a prior instead, so it must be 0"
        )


@contextmanager
def _own_random_state(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "dropout"))
        yield


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fingerprint(settings: FitSettings, said: list[Any], tensors: list[Params]) -> str:
    """Changes with anything that would change the result; a checkpoint of another run is refused by it."""
    kept = {k: v for k, v in asdict(settings).items() if k != "checkpoint_seconds"}
    digest = hashlib.sha256(json.dumps([kept, said], sort_keys=True).encode())
    for part in tensors:
        for name, tensor in part.items():
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().numpy().data)
    return digest.hexdigest()
