"""A posterior in a file: safetensors, with what cannot be a tensor as JSON in its metadata."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from bitsback.errors import RunError
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.soundness import fault
from bitsback.posterior.tensor_file import TensorFile, write

_FORMAT = "bitsback-posterior-1"


@dataclass(frozen=True)
class Stored:
    """A posterior and what belongs to it.

    Attributes:
        posterior: any posterior with independent normal or point weights.
        log_noise: regression's log noise `[D]`, else empty.
        temperature: what multiplied the KL; None where nothing was fitted here.
        history: the training history, one entry per epoch.
        masks: the masks it was pruned with, if any.
    """

    posterior: Posterior
    log_noise: Tensor
    temperature: float | None = 1.0
    history: list[dict[str, float]] = field(default_factory=list)
    masks: Params = field(default_factory=dict)


def save(path: Path, stored: Stored) -> None:
    """Writes beside and renames.

    Raises:
        RunError: the file cannot be written; what was there before still is.
    """
    marginals = stored.posterior.marginals()
    point = all(not bool(marginal.var.any()) for marginal in marginals.values())
    groups = {
        "mean": {name: marginal.mean for name, marginal in marginals.items()},
        "std": {} if point else {name: marginal.var.sqrt() for name, marginal in marginals.items()},
        "fixed": stored.posterior.fixed,
        "mask": {name: mask.bool() for name, mask in stored.masks.items()},
        "likelihood": {"log_noise": stored.log_noise},
    }
    words = {
        "format": _FORMAT,
        "kind": "point" if point else "mean_field",
        "names": json.dumps(list(marginals)),
        "temperature": json.dumps(stored.temperature),
        "history": json.dumps(stored.history),
    }
    write(path, groups, words)


def load(path: Path) -> Stored:
    """Reads a posterior back.

    Raises:
        RunError: the file is missing, damaged, or from another version, or holds a number that no posterior has.
    """
    if not path.exists():
        raise RunError(f"there is no posterior at {path}; `bitsback fit` makes one")
    file = TensorFile(path, _FORMAT)
    try:
        words = {name: json.loads(file.words[name]) for name in ("names", "temperature", "history")}
        means = _ordered(file.group("mean"), words["names"])
        stds = _ordered(file.group("std"), words["names"]) if file.words["kind"] == "mean_field" else None
        log_noise = file.group("likelihood")["log_noise"]
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"the posterior {path} cannot be read: {error}") from error
    wrong = fault("mean", means) or fault("standard deviation", stds or {}, 0)
    if wrong is not None:
        raise RunError(f"the posterior {path} is damaged: {wrong}")
    fixed = file.group("fixed")
    posterior = PointPosterior(means, fixed) if stds is None else MeanFieldPosterior(means, stds, fixed)
    masks = {name: mask.float() for name, mask in file.group("mask").items()}
    return Stored(posterior, log_noise, words["temperature"], words["history"], masks)


def _ordered(tensors: Params, names: list[str]) -> Params:
    return {name: tensors[name] for name in names}
