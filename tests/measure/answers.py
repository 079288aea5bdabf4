"""Programs' outputs made up for tests."""

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
    """Outputs as a program would give them."""

    mean: np.ndarray
    total: np.ndarray
    data: np.ndarray
    knowledge: np.ndarray


def classifier(count: int, classes: int, generator: np.random.Generator, *, sharpness: float = 2.0) -> Answers:
    """Five members' random opinions and their entropies."""
    logits = generator.normal(size=(count, 1, classes)) * sharpness + generator.normal(size=(count, 5, classes))
    members = np.exp(logits - logits.max(-1, keepdims=True))
    members /= members.sum(-1, keepdims=True)
    mean = members.mean(1)
    total = entropy(mean)
    data = entropy(members).mean(1)
    return Answers(*(each.astype(np.float32) for each in (mean, total, data, total - data)))


def entropy(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, 1e-30))).sum(-1)


def certain(labels: np.ndarray, classes: int) -> Answers:
    """One-hot answers without any uncertainty."""
    zeros = np.zeros(len(labels), np.float32)
    return Answers(np.eye(classes, dtype=np.float32)[labels], zeros, zeros, zeros)
