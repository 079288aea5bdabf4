"""A posterior in a file: safetensors, with what cannot be a tensor as JSON in its metadata."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bitsback.errors import RunError
from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Posterior
from bitsback.posterior.dropout_posterior import DropoutPosterior
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.samples import Samples
from bitsback.posterior.soundness import fault
from bitsback.posterior.tensor_file import TensorFile, write

_FORMAT = "bitsback-posterior-1"


@dataclass(frozen=True)
class Stored:
    """A posterior and what belongs to it.

    Attributes:
        posterior: any posterior with independent normal or point weights, with dropout, or that is a list of values.
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
    of = stored.posterior
    kind, parts = _parts(of)
    groups = {
        **parts,
        "mask": {name: mask.bool() for name, mask in stored.masks.items()},
        "likelihood": {"log_noise": stored.log_noise},
    }
    words = {
        "format": _FORMAT,
        "kind": kind,
        "names": json.dumps(list(of.marginals())),
        "temperature": json.dumps(stored.temperature),
        "history": json.dumps(stored.history),
        **({"chains": json.dumps(of.listing.chains)} if of.listing is not None else {}),
        **({"dropout": json.dumps(of.dropout)} if of.dropout else {}),
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
        posterior = _READERS[file.words["kind"]](file, words["names"])
        log_noise = file.group("likelihood")["log_noise"]
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"the posterior {path} cannot be read: {error}") from error
    if isinstance(posterior, str):
        raise RunError(f"the posterior {path} is damaged: {posterior}")
    masks = {name: mask.float() for name, mask in file.group("mask").items()}
    return Stored(posterior, log_noise, words["temperature"], words["history"], masks)


def _parts(posterior: Posterior) -> tuple[str, dict[str, Params]]:
    """The kind and the tensors."""
    if posterior.listing is not None:
        return _listed(posterior)
    marginals = posterior.marginals()
    means = {name: marginal.mean for name, marginal in marginals.items()}
    if posterior.dropout:
        return "dropout", {"mean": means, "fixed": posterior.fixed}
    if not any(bool(marginal.var.any()) for marginal in marginals.values()):
        return "point", {"mean": means, "fixed": posterior.fixed}
    stds = {name: marginal.var.sqrt() for name, marginal in marginals.items()}
    return "mean_field", {"mean": means, "std": stds, "fixed": posterior.fixed}


def _listed(posterior: Posterior) -> tuple[str, dict[str, Params]]:
    """The kind and the tensors of one that is a list of values."""
    assert posterior.listing is not None
    drawn = posterior.sample(posterior.listing.values, torch.Generator())
    random = posterior.marginals()
    return "samples", {
        "sample": {name: drawn[name] for name in random},
        "other": {name: each for name, each in drawn.items() if name not in random},
        "fixed": {name: each for name, each in posterior.fixed.items() if name not in drawn},
    }


def _read_point(file: TensorFile, names: list[str]) -> PointPosterior | str:
    means = _ordered(file.group("mean"), names)
    return fault("mean", means) or PointPosterior(means, file.group("fixed"))


def _read_dropout(file: TensorFile, names: list[str]) -> DropoutPosterior | str:
    means = _ordered(file.group("mean"), names)
    found = {name: Dropout(*words) for name, words in json.loads(file.words["dropout"]).items()}
    for name, each in found.items():
        shape = means[name].shape
        if len(shape) < 2 or type(each.units) is not int or each.units < 1 or shape[1] % each.units:
            return f"a dropout of {each.units!r} units cannot stand before '{name}' of shape {list(shape)}"
        if not 0 <= each.rate < 1:
            return f"a dropout leaves out {each.rate!r} of the inputs of '{name}'; it must be at least 0 and below 1"
    return fault("mean", means) or DropoutPosterior(means, file.group("fixed"), found)


def _read_mean_field(file: TensorFile, names: list[str]) -> MeanFieldPosterior | str:
    means, stds = (_ordered(file.group(part), names) for part in ("mean", "std"))
    wrong = fault("mean", means) or fault("standard deviation", stds, 0)
    return wrong or MeanFieldPosterior(means, stds, file.group("fixed"))


def _read_samples(file: TensorFile, names: list[str]) -> Samples | str:
    weights, others, chains = (
        _ordered(file.group("sample"), names),
        file.group("other"),
        json.loads(file.words["chains"]),
    )
    found = Samples(weights, others, file.group("fixed"), chains)
    for name, each in {**weights, **others}.items():
        if each.ndim == 0 or len(each) != found.count:
            return f"'{name}' is of {0 if each.ndim == 0 else len(each)} samples, and the others are of {found.count}"
    if type(chains) is not int or chains < 1 or found.count < 1 or found.count % chains:
        return f"{found.count} samples cannot come from {chains!r} chains of one length"
    return fault("sample", weights) or fault("sample", others) or found


_READERS = {
    "point": _read_point,
    "mean_field": _read_mean_field,
    "dropout": _read_dropout,
    "samples": _read_samples,
}


def _ordered(tensors: Params, names: list[str]) -> Params:
    return {name: tensors[name] for name in names}
