"""The whole state of a training run in one safetensors file, so that a killed run goes on as if nothing had happened."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from bitsback.durable import replace_file
from bitsback.errors import RunError

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


def save(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Writes the state beside `path` and renames.

    Raises:
        RunError: it cannot be written (a full disk); the checkpoint before it is still there.
    """
    tensors = {f"variable/{n}": t for n, t in state.variables.items()}
    tensors |= {f"buffer/{n}": t for n, t in state.buffers.items()}
    tensors |= {f"optimizer/{n}": t for n, t in state.optimizer.items()}
    tensors |= {"rng/noise": state.noise, "rng/last_noise": state.last_noise, "rng/dropout": state.dropout}
    progress = {"step": state.step, "nll_sum": state.nll_sum, "history": state.history}
    metadata = {"format": _FORMAT, "fingerprint": fingerprint, "progress": json.dumps(progress)}
    content = safetensors.torch.save({n: t.detach().contiguous() for n, t in tensors.items()}, metadata)
    try:
        replace_file(path, [content])
    except OSError as error:
        raise RunError(f"the checkpoint {path} cannot be written: {error.strerror or error}") from error


def load(path: Path, fingerprint: str) -> TrainingState:
    """Reads a state back.

    Raises:
        RunError: the file is damaged, from another version, or from a run with other settings or data.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in list(file.keys())}
        if metadata.get("format") != _FORMAT:
            raise RunError(f"{path} is no checkpoint of this version ({_FORMAT}), but {metadata.get('format')!r}")
        if metadata.get("fingerprint") != fingerprint:
            raise RunError(
                f"{path} comes from a run with other settings or data; give the same ones, or a new run folder"
            )
        return TrainingState(
            variables=_part(tensors, "variable/"),
            buffers=_part(tensors, "buffer/"),
            optimizer=_part(tensors, "optimizer/"),
            noise=tensors["rng/noise"],
            last_noise=tensors["rng/last_noise"],
            dropout=tensors["rng/dropout"],
            **json.loads(metadata["progress"]),
        )
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"the checkpoint {path} cannot be read: {error}") from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


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
