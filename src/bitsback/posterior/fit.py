"""The one training loop: every inference method, every network, every data set goes through it."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bitsback.errors import DataError, RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior import checkpoint
from bitsback.posterior.checkpoint import TrainingState
from bitsback.posterior.contract import Posterior
from bitsback.posterior.inference import Inference, Objective, Sampling
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings, Loop
from bitsback.posterior.streams import chain_seed, stream_seed


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
        variables: what was trained, as the method's objective names it, where the last values are what counts.
        buffers: the network's, as training left them.
    """

    posterior: Posterior
    log_noise: Tensor
    history: list[dict[str, float]]
    variables: Params
    buffers: Params


def fit(
    network: Network,
    inference: Inference,
    likelihood: Likelihood,
    examples: Examples,
    settings: FitSettings,
    *,
    masks: Params | None = None,
    starts: Sequence[Params] = (),
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
        starts: where each chain starts, by param name, for methods with chains; else all start where the network's params are.
        path: where checkpoints go; a run killed at any moment goes on from it with the same result (same seed, same
            thread count).
        watch: is told the progress, about every tenth step.
        observe: measures the posterior after every epoch; what it returns goes into the history, its time does not.

    Returns:
        The posterior and the history.

    Raises:
        DataError: the training split is empty, or the loss stops being a number.
        RecipeError: weight decay is asked for beside a prior, compilation without a compiler, more samples than a chain has
            steps, or there are starts for another number of chains.
        RunError: a checkpoint cannot be read or written.
    """
    chains = _chains(network, inference, starts)
    objectives = [inference.objective(each, likelihood, masks or {}) for each in chains]
    _check(objectives[0], examples, settings)
    said = [repr(inference), repr(likelihood), network.graph.code, list(network.bayesian), list(masks or {})]
    tensors = [*(each.start() for each in objectives), network.params, network.buffers, masks or {}, examples._asdict()]
    run = _Run(chains, objectives, examples, settings, "" if path is None else _fingerprint(settings, said, tensors))
    state = run.all(path, watch, observe or (lambda _: {}))
    if isinstance(inference, Sampling):
        return Fitted(
            inference.gathered(network, state.kept, masks or {}),
            _noise(state.kept["variable/log_noise"]),
            state.history,
            {},
            {},
        )
    variables = {name: tensor.detach() for name, tensor in state.variables.items()}
    posterior = objectives[0].posterior(variables, state.buffers)
    return Fitted(posterior, variables["log_noise"], state.history, variables, state.buffers)


@dataclass(frozen=True)
class _Run:
    """All chains of a fit, one after the other; most have one."""

    networks: Sequence[Network]
    objectives: Sequence[Objective]
    examples: Examples
    settings: FitSettings
    fingerprint: str

    def all(
        self,
        path: Path | None,
        watch: Callable[[Progress], None] | None,
        observe: Callable[[Posterior], dict[str, float]],
    ) -> TrainingState:
        """The state after the last step of the last chain."""
        state = checkpoint.load(path, self.fingerprint) if path is not None and path.exists() else None
        for chain in range(state.chain if state else 0, len(self.networks)):
            settings = replace(self.settings, seed=chain_seed(self.settings.seed, chain))
            with _own_random_state(settings.seed), _threads(settings.threads):
                loop = Loop(self.objectives[chain], self.networks[chain], self.examples, settings)
                loop.observe = observe
                if state is not None and state.chain == chain:
                    loop.restore(state)
                elif state is not None:
                    loop.follow(state)
                state = self._chain(loop, path, watch)
        assert state is not None
        return state

    def _chain(self, loop: Loop, path: Path | None, watch: Callable[[Progress], None] | None) -> TrainingState:
        saved, state, before = time.monotonic(), loop.state, loop.steps * loop.state.chain
        steps = loop.steps * len(self.networks)
        while loop.step():
            if watch and (state.step % 10 == 0 or state.step == loop.steps):
                done = before + state.step
                watch(Progress(done, steps, (done - 1) // loop.per_epoch, loop.last_nll))
            if path is not None and time.monotonic() - saved >= self.settings.checkpoint_seconds:
                checkpoint.save(path, loop.snapshot(), self.fingerprint)
                saved = time.monotonic()
        return loop.snapshot()


def _chains(network: Network, inference: Inference, starts: Sequence[Params]) -> list[Network]:
    """The network as each chain starts with it.

    Raises:
        RecipeError: there are starts for another number of chains.
    """
    count = inference.chains if isinstance(inference, Sampling) else 1
    if starts and len(starts) != count:
        raise RecipeError(f"there are {len(starts)} starts for {count} chain(s); each chain takes one")
    return [replace(network, params={**network.params, **start}) for start in starts or [{}] * count]


def _noise(each: Tensor) -> Tensor:
    """The log standard deviation of a noise whose variance is the mean of the samples', `[K, D]` to `[D]`."""
    return 0.5 * torch.exp(2 * each).mean(0).log()


def check(
    network: Network, inference: Inference, likelihood: Likelihood, examples: Examples, settings: FitSettings
) -> None:
    """Refuse what could not be fitted, before anything is written.

    Raises:
        BitsbackError: as `fit`, but for what only training shows.
    """
    _check(inference.objective(network, likelihood, {}), examples, settings)


def _check(objective: Objective, examples: Examples, settings: FitSettings) -> None:
    if len(examples.inputs) == 0:
        raise DataError("the training split is empty; at least one example is needed")
    if objective.course is not None:
        objective.course.check(settings.epochs * max(len(examples.inputs) // settings.batch, 1))
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
