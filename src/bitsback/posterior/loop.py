"""The state of a training run and the one step that changes it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from bitsback.errors import DataError, RecipeError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior import checkpoint
from bitsback.posterior.checkpoint import TrainingState
from bitsback.posterior.compilation import loss_function
from bitsback.posterior.contract import Posterior
from bitsback.posterior.inference import Batch, Objective, Surroundings
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.settling import settle
from bitsback.posterior.streams import stream
from bitsback.settings import check_among, check_seed, check_whole, is_number

KlWeighting = Literal["even", "geometric"]


@dataclass(frozen=True)
class FitSettings:
    """Settings of the training loop.

    Attributes:
        epochs: passes over the training split, at least 1.
        batch: data per step, at least 1; what is left over at the end of an epoch comes up in another epoch's order.
        optimization: optimizer and schedule.
        temperature: multiplies the KL, at least 0, without a unit; 1 is the exact ELBO.
        kl_weighting: "even": every minibatch carries 1/M of the KL; "geometric": minibatch i of M carries
            2^(M−i) / (2^M − 1) of it (Blundell et al. 2015, section 3.4). Both sum to the whole KL over an epoch.
        antithetic: whether every second step uses the noise of the step before with its sign turned. Each step's noise is as
            normal as before, two neighbours' errors partly cancel, and half of the drawing is saved.
        compile: whether `torch.compile` is used; None: for runs of at least 4,000 steps where there is a C++ compiler.
        threads: PyTorch's, while it trains, at least 1. One by default: the result then does not depend on the
            machine's number of cores, and small networks train fastest so. The same result is promised for the same
            seed and the same number.
        checkpoint_seconds: the least time between checkpoints, in seconds.
        seed: decides the order of the data and every draw.
    """

    epochs: int = 20
    batch: int = 100
    optimization: Optimization = field(default_factory=Optimization)
    temperature: float = 1.0
    kl_weighting: KlWeighting = "even"
    antithetic: bool = True
    compile: bool | None = None
    threads: int = 1
    checkpoint_seconds: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "threads"):
            check_whole(name, getattr(self, name), 1)
        check_seed(self.seed)
        if not isinstance(self.optimization, Optimization):
            raise RecipeError(f"optimization is {self.optimization!r}; it must be an Optimization")
        check_among("kl_weighting", self.kl_weighting, get_args(KlWeighting))
        check_among("antithetic", self.antithetic, (True, False))
        check_among("compile", self.compile, (True, False, None))
        for name in ("temperature", "checkpoint_seconds"):
            value = getattr(self, name)
            if not (is_number(value) and 0 <= value < math.inf):
                raise RecipeError(f"{name} is {value!r}; it must be a finite number, at least 0")


class Examples(NamedTuple):
    """Training data as tensors: standardized inputs `[N, *shape]` and targets (classes `[N]` or standardized `[N, D]`)."""

    inputs: Tensor
    targets: Tensor


class Loop:
    """The state of a run and the one step that changes it."""

    def __init__(self, objective: Objective, network: Network, examples: Examples, settings: FitSettings) -> None:
        self.objective, self.examples, self.settings = objective, examples, settings
        self.batch = min(settings.batch, len(examples.inputs))
        self.per_epoch = len(examples.inputs) // self.batch
        self.steps = self.per_epoch * settings.epochs
        self.generator = stream(settings.seed, "noise")
        variables = {name: tensor.requires_grad_() for name, tensor in objective.start().items()}
        buffers = {name: tensor.clone() for name, tensor in network.buffers.items()}
        self.state = TrainingState(variables, buffers, {}, torch.empty(0), torch.empty(0), torch.empty(0))
        self.moves = objective.moves(settings.optimization)
        self.optimizer = self.moves.build(
            list(variables.values()),
            [objective.rate(name) for name in variables],
            Surroundings(len(examples.inputs), settings.temperature, self.generator, self._nll),
        )
        self.course = objective.course
        self.kept = frozenset[int]() if self.course is None else self.course.kept(self.steps)
        self.passed: list[Params] = []  # kept since the last snapshot
        self.noise = torch.empty(objective.noise_size(self.batch))
        self.loss = loss_function(objective, settings.compile, self.steps)
        self.order, self.ordered = torch.empty(0, dtype=torch.int64), -1  # the data's order in the epoch `ordered`
        self.last_nll = float("nan")
        self.nll_sum = torch.zeros(())
        self.began = time.monotonic()
        self.observe: Callable[[Posterior], dict[str, float]] = lambda _: {}

    def step(self) -> bool:
        """Takes one step; false when there is none left."""
        state = self.state
        if state.step >= self.steps:
            return False
        epoch, index = divmod(state.step, self.per_epoch)
        if index == 0:
            self.nll_sum = torch.zeros(())
        if epoch != self.ordered:
            self.order, self.ordered = self._order(epoch), epoch
        self.moves.set_rate(self.optimizer, state.step / self.steps)
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        inputs, targets = self.examples.inputs[chosen], self.examples.targets[chosen]
        if self.settings.antithetic and state.step % 2:
            self.noise.neg_()
        else:
            self.noise.normal_(generator=self.generator)
        scale = torch.tensor(self._prior_scale(index))
        batch = Batch(inputs, targets, self.noise, scale, self.settings.temperature)
        self.optimizer.zero_grad()
        loss = self.loss(state.variables, state.buffers, batch)
        loss.backward()
        self.optimizer.step()
        self.nll_sum += loss.detach()
        state.step += 1
        self._report(loss, epoch, index)
        if state.step in self.kept:
            self._keep()
        return True

    def snapshot(self) -> TrainingState:
        """The state, with the generators, the optimizer and what was kept in it."""
        self.state.noise, self.state.last_noise = self.generator.get_state(), self.noise
        self.state.dropout = torch.get_rng_state()
        self.state.optimizer = checkpoint.optimizer_tensors(self.optimizer)
        self.state.nll_sum = float(self.nll_sum)
        if self.passed:
            new = {name: torch.stack([each[name] for each in self.passed]) for name in self.passed[0]}
            kept, self.passed = self.state.kept, []
            self.state.kept = {name: torch.cat([kept[name], each]) if kept else each for name, each in new.items()}
        return self.state

    def restore(self, saved: TrainingState) -> None:
        """Goes back to a snapshot."""
        with torch.no_grad():
            for name, tensor in saved.variables.items():
                self.state.variables[name].copy_(tensor)
        self.state.buffers.update(saved.buffers)
        self.state.step, self.state.history = saved.step, saved.history
        self.state.kept, self.state.chain = saved.kept, saved.chain
        self.nll_sum = torch.tensor(saved.nll_sum)
        checkpoint.restore_optimizer(self.optimizer, saved.optimizer)
        self.generator.set_state(saved.noise)
        self.noise.copy_(saved.last_noise)
        torch.set_rng_state(saved.dropout)

    def follow(self, before: TrainingState) -> None:
        """Takes over what earlier chains left: what they kept, and their history."""
        self.state.kept, self.state.history, self.state.chain = before.kept, before.history, before.chain + 1

    def _report(self, loss: Tensor, epoch: int, index: int) -> None:
        if self.state.step % 10 == 0 or index == self.per_epoch - 1:
            self.last_nll = float(loss.detach())
            self._check_finite(self.last_nll)
        if index == self.per_epoch - 1:
            self._end_epoch(epoch)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DataError(
                f"the loss is {loss} after {self.state.step} steps; a smaller learning rate than "
                f"{self.settings.optimization.learning_rate} is needed"
            )

    def _end_epoch(self, epoch: int) -> None:
        draws = stream(self.settings.seed, "kl", epoch)
        variables = {name: tensor.detach() for name, tensor in self.state.variables.items()}
        nll, kl = float(self.nll_sum) / self.per_epoch, self.objective.kl(variables, draws)
        loss = nll + self.settings.temperature * kl / len(self.examples.inputs)
        self._check_finite(loss)
        number = self.state.chain * self.settings.epochs + epoch + 1
        entry = {"epoch": number, "nll": nll, "kl": kl, "loss": loss, "seconds": time.monotonic() - self.began}
        entry |= self.moves.seen(self.optimizer)
        entry |= self.observe(self.objective.posterior(variables, self.state.buffers))
        self.state.history.append(entry)
        self.began = time.monotonic()

    def _order(self, epoch: int) -> Tensor:
        generator = stream(self.settings.seed, "order", epoch)
        return torch.randperm(len(self.examples.inputs), generator=generator)

    def _keep(self) -> None:
        """Adds the value that the variables have now to those that are kept, with running statistics of its own."""
        variables = {name: tensor.detach().clone() for name, tensor in self.state.variables.items()}
        buffers = {name: tensor.clone() for name, tensor in self.state.buffers.items()}
        if any(buffer.is_floating_point() for buffer in buffers.values()):
            self._settle(variables, buffers)
        groups = ("variable", variables), ("buffer", buffers)
        self.passed.append({f"{group}/{name}": each for group, tensors in groups for name, each in tensors.items()})

    @torch.no_grad()
    def _settle(self, variables: Params, buffers: Params) -> None:
        """Lets running statistics, which lag behind variables that move, come to rest where these are."""
        inputs, targets = self.examples

        def see(chosen: Tensor) -> None:
            noise = torch.zeros(self.objective.noise_size(self.batch))
            self.objective.loss(variables, buffers, Batch(inputs[chosen], targets[chosen], noise, torch.zeros(())))

        settle(len(inputs), self.batch, stream(self.settings.seed, "settle", self.state.step), see)

    def _nll(self) -> Tensor:
        """The negative log likelihood of all data in nats; its gradients are added to the variables'."""
        total, nothing = torch.zeros(()), torch.zeros(())
        inputs, targets = (each.split(self.batch) for each in self.examples)
        for some, right in zip(inputs, targets, strict=True):
            noise = torch.zeros(self.objective.noise_size(len(some)))
            batch = Batch(some, right, noise, nothing, self.settings.temperature)
            loss = len(some) * self.objective.loss(self.state.variables, self.state.buffers, batch)
            loss.backward()
            total = total + loss.detach()
        return total

    def _prior_scale(self, index: int) -> float:
        """What multiplies the KL beside a minibatch's *mean* NLL: (this minibatch's share of the KL) · M / N.

        N / M is the batch size, or a little more where N is no multiple of it: on average over an epoch this is 1 / N.
        """
        if self.settings.kl_weighting == "even":
            share = 1 / self.per_epoch
        else:
            share = 2.0 ** -(index + 1) / (1 - 2.0**-self.per_epoch)
        return share / (len(self.examples.inputs) / self.per_epoch)
