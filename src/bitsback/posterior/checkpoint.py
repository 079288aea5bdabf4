"""The whole state of a training run in one safetensors file, so that a killed run goes on as if nothing had happened."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bitsback.errors import RunError
from bitsback.posterior.tensor_file import TensorFile, write

_FORMAT = "bitsback-checkpoint-1"


@dataclass
class TrainingState:
    """What the next step needs. Changed in place by the loop, which alone owns it.

    Attributes:
        variables: the trained tensors.
        buffers: the network's buffers (running statistics).
        optimizer: the optimizer's tensors, `"<variable number>.<name>"`.
        noise: the state of the generator of the steps' noise.
        last_noise: the noise of the last step, whose sign an antithetic step turns.
        dropout: the state of PyTorch's own generator, which the network's dropout draws from.
        step: steps taken.
        nll_sum: the sum of the minibatches' NLL since the epoch began, in nats.
        history: one entry per finished epoch.
        kept: the values that were kept on the way, of all chains so far, `[K, *shape]`.
        chain: the number of the chain, from 0.
    """

    variables: dict[str, Tensor]
    buffers: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    noise: Tensor
    last_noise: Tensor
    dropout: Tensor
    step: int = 0
    nll_sum: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)
    chain: int = 0


def save(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Writes the state beside `path` and renames.

    Raises:
        RunError: it cannot be written (a full disk); the checkpoint before it is still there.
    """
    progress = {"step": state.step, "nll_sum": state.nll_sum, "history": state.history, "chain": state.chain}
    random = {"noise": state.noise, "last_noise": state.last_noise, "dropout": state.dropout}
    groups = {"variable": state.variables, "buffer": state.buffers, "optimizer": state.optimizer, "random": random}
    groups |= {"kept": state.kept}
    write(path, groups, {"format": _FORMAT, "fingerprint": fingerprint, "progress": json.dumps(progress)})


def load(path: Path, fingerprint: str) -> TrainingState:
    """Reads a state back.

    Raises:
        RunError: the file is damaged, from another version, or from a run with other settings or data.
    """
    file = TensorFile(path, _FORMAT)
    if file.words.get("fingerprint") != fingerprint:
        raise RunError(f"{path} comes from a run with other settings or data; give the same ones, or a new run folder")
    try:
        return TrainingState(
            variables=file.group("variable"),
            buffers=file.group("buffer"),
            optimizer=file.group("optimizer"),
            kept=file.group("kept"),
            **file.group("random"),
            **json.loads(file.words["progress"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"the checkpoint {path} cannot be read: {error}") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as a flat dict of tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{k}.{n}": t for k, values in state.items() for n, t in values.items() if isinstance(t, Tensor)}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Puts back what `optimizer_tensors` took."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**whole, "state": state})
