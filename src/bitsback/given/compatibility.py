"""Whether a traced network fits a data set: seen before anything is trained on it, by what it ends in and what it answers."""

from typing import Any

import torch
from torch import Tensor

from bitsback.errors import NetworkError, first_line
from bitsback.given.dataset import Dataset
from bitsback.given.network import Network

_PROBABILITIES = {
    "aten.softmax": "softmax",
    "aten._softmax": "softmax",
    "aten._safe_softmax": "softmax",
    "aten.sigmoid": "sigmoid",
    "aten.sigmoid_": "sigmoid",
    "aten.special_expit": "sigmoid",
}
_SAME_VALUES = {
    *("aten.view", "aten.reshape", "aten.flatten", "aten.squeeze", "aten.unsqueeze", "aten.permute", "aten.transpose"),
    *("aten.to", "aten._to_copy", "aten.clone", "aten.contiguous", "aten.alias", "aten.detach", "aten.dropout"),
}
_LOGITS = (
    "and classification takes logits: end without that, or in log_softmax; the program that ships gives probabilities"
)


def check_compatible(network: Network, data: Dataset, name: str) -> None:
    """Refuse a network that cannot be fitted to a data set, or would be fitted to something else than is meant.

    Args:
        network: Traced; where it is traced for training, what it answers is not looked at.
        data: What it is to be fitted to.
        name: How an error calls the network.

    Raises:
        NetworkError: It has another number of outputs, gives probabilities where logits are needed, or has nothing to fit.
    """
    if network.outputs != data.outputs:
        needed = "classes" if data.task == "classification" else "targets"
        raise NetworkError(f"the network has {network.outputs} outputs, and '{data.name}' has {data.outputs} {needed}")
    if data.task == "classification" and (last := _PROBABILITIES.get(_last(network))):
        raise NetworkError(f"{name} ends in {last}, {_LOGITS}")
    if all(reason in {"not used", "not floating point"} for reason in map(network.deterministic.get, network.params)):
        raise NetworkError(f"{name} has no floating-point parameter that it uses; there is nothing to fit")


def check_answers(network: Network, data: Dataset, name: str) -> None:
    """Refuse a network that does not answer the first inputs of a data set with the same finite numbers whenever asked.

    Args:
        network: Traced for evaluation.
        data: What it is to be fitted to.
        name: How an error calls the network.

    Raises:
        NetworkError: It fails, gives another type than float32 or what is not finite, answers at random, or gives
            probabilities where logits are needed.
    """
    inputs = torch.from_numpy(data.normalization.apply(data.train.inputs[:2]))
    tensors = {**network.params, **network.buffers}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first, second = network(tensors, inputs), network(tensors, inputs)
    except Exception as error:  # what a user's network does may fail in any way
        raise NetworkError(f"{name} fails on the inputs of '{data.name}': {first_line(error)}") from error
    if first.dtype != torch.float32:
        raise NetworkError(f"{name} answers in {first.dtype}; its parameters and outputs must be torch.float32")
    if not torch.isfinite(first).all():
        wrong = first[~torch.isfinite(first)][0]
        raise NetworkError(
            f"{name} answers {wrong:g} to an input of '{data.name}'; a network must start at finite answers"
        )
    if not torch.equal(first, second):
        raise NetworkError(
            f"{name} gives two answers to one input in evaluation; what it draws there would be drawn on the device too: "
            "draw in training alone (`if self.training`)"
        )
    if data.task == "classification" and _sums_to_one(first):
        raise NetworkError(f"{name} answers probabilities, {_LOGITS}")


def _sums_to_one(answers: Tensor) -> bool:
    """Whether each row is a distribution: softmax in any disguise, and never logits but by chance."""
    sums = answers.sum(1)
    return bool((answers >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def _last(network: Network) -> str:
    """The operator that the outputs' values come from, without its overload."""
    results: Any = next(each for each in network.graph.graph.nodes if each.op == "output").args[0]
    node: Any = results[0]
    while _operator(node) in _SAME_VALUES:
        node = node.args[0]
    return _operator(node)


def _operator(node: Any) -> str:
    return ".".join(str(node.target).split(".")[:2])
