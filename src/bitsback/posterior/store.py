"""A posterior in a file: safetensors, with what cannot be a tensor as JSON in its metadata."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from bitsback.durable import replace_file
from bitsback.errors import RunError
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.posterior.point import PointPosterior

_FORMAT = "bitsback-posterior-1"


@dataclass(frozen=True)
class Stored:
    """A posterior and what belongs to it.

    Attributes:
        posterior: any posterior with independent normal or point weights.
        log_noise: regression's log noise `[D]`, else empty.
        temperature: what multiplied the KL.
        history: the training history, one entry per epoch.
        masks: the masks it was pruned with, if any.
    """

    posterior: Posterior
    log_noise: Tensor
    temperature: float = 1.0
    history: list[dict[str, float]] = field(default_factory=list)
    masks: Params = field(default_factory=dict)


def save(path: Path, stored: Stored) -> None:
    """Writes beside and renames.

    Raises:
        RunError: the file cannot be written; what was there before still is.
    """
    marginals = stored.posterior.marginals()
    point = all(not bool(marginal.var.any()) for marginal in marginals.values())
    tensors = {f"mean/{n}": marginal.mean for n, marginal in marginals.items()}
    tensors |= {} if point else {f"std/{n}": marginal.var.sqrt() for n, marginal in marginals.items()}
    tensors |= {f"fixed/{n}": t for n, t in stored.posterior.fixed.items()}
    tensors |= {f"mask/{n}": t.bool() for n, t in stored.masks.items()}
    tensors["log_noise"] = stored.log_noise
    metadata = {
        "format": _FORMAT,
        "kind": "point" if point else "mean_field",
        "names": json.dumps(list(marginals)),
        "temperature": json.dumps(stored.temperature),
        "history": json.dumps(stored.history),
    }
    content = safetensors.torch.save({n: t.detach().contiguous() for n, t in tensors.items()}, metadata)
    try:
        replace_file(path, [content])
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error


def load(path: Path) -> Stored:
    """Reads a posterior back.

    Raises:
        RunError: the file is missing, damaged, or from another version.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in list(file.keys())}
        if metadata.get("format") != _FORMAT:
            raise RunError(f"{path} is no posterior of this version ({_FORMAT}), but {metadata.get('format')!r}")
        names, history = json.loads(metadata["names"]), json.loads(metadata["history"])
        means = {name: tensors[f"mean/{name}"] for name in names}
        fixed = _part(tensors, "fixed/")
        posterior: Posterior = PointPosterior(means, fixed)
        if metadata["kind"] == "mean_field":
            posterior = MeanFieldPosterior(means, {name: tensors[f"std/{name}"] for name in names}, fixed)
        masks = {name: mask.float() for name, mask in _part(tensors, "mask/").items()}
        return Stored(posterior, tensors["log_noise"], json.loads(metadata["temperature"]), history, masks)
    except FileNotFoundError as error:
        raise RunError(f"there is no posterior at {path}; `bitsback fit` makes one") from error
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"the posterior {path} cannot be read: {error}") from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
