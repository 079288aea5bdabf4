"""Inputs made worse: random noise, and perturbations that mislead a program, by its own gradient.

Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples" (ICLR 2015): one step along the gradient's
sign (FGSM). Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018): many small steps,
each projected back (PGD). The loss is that of the averaged prediction, through all members.

Sizes are in standard deviations of each channel or feature, as the program's normalization has them; what comes out stays
within the given bounds, in raw units.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bitsback.form.program import Program

_BATCH = 128
_STEP = 2.5  # PGD's step is this share of radius / steps (Madry et al.), so that the border can be reached and followed


@dataclass(frozen=True)
class Bounds:
    """The raw units' range.

    Attributes:
        low: The least value.
        high: The greatest.
    """

    low: float
    high: float


def noisy(program: Program, inputs: np.ndarray, level: float, *, bounds: Bounds, seed: int) -> np.ndarray:
    """Adds normal noise.

    Args:
        program: Says how wide inputs spread.
        inputs: Raw, float32 [N, *shape].
        level: The noise's standard deviation, in those of the inputs.
        bounds: What no value leaves.
        seed: Of the noise.

    Returns:
        Raw inputs of the same shape.
    """
    noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed)) * _scale(program) * level
    return np.clip(inputs + noise.numpy(), bounds.low, bounds.high).astype(np.float32)


def fgsm(program: Program, inputs: np.ndarray, targets: np.ndarray, level: float, *, bounds: Bounds) -> np.ndarray:
    """Moves every value by `level` in the direction that raises the loss.

    Args:
        program: What is to be misled.
        inputs: Raw, float32 [N, *shape].
        targets: Classes [N], or targets [N, D].
        level: How far each value moves, in standard deviations.
        bounds: What no value leaves.

    Returns:
        Raw inputs of the same shape.
    """
    return pgd(program, inputs, targets, level, bounds=bounds, steps=1)


def pgd(
    program: Program, inputs: np.ndarray, targets: np.ndarray, level: float, *, bounds: Bounds, steps: int
) -> np.ndarray:
    """Moves every value by at most `level`, in `steps` steps that raise the loss.

    Args:
        program: What is to be misled.
        inputs: Raw, float32 [N, *shape].
        targets: Classes [N], or targets [N, D].
        level: How far each value may move, in standard deviations.
        bounds: What no value leaves.
        steps: How many gradients are taken; 1 is FGSM.

    Returns:
        Raw inputs of the same shape.
    """
    radius = _scale(program) * level
    step = radius if steps == 1 else radius * (_STEP / steps)
    parts: list[np.ndarray] = []
    for start in range(0, len(inputs), _BATCH):
        clean = torch.from_numpy(np.ascontiguousarray(inputs[start : start + _BATCH], np.float32))
        answer = torch.from_numpy(targets[start : start + _BATCH])
        moved = clean
        for _ in range(steps):
            moved = moved + step * _gradient(program, moved, answer).sign()
            moved = torch.minimum(torch.maximum(moved, clean - radius), clean + radius).clamp(bounds.low, bounds.high)
        parts.append(moved.numpy())
    return np.concatenate(parts)


def _gradient(program: Program, inputs: Tensor, targets: Tensor) -> Tensor:
    leaf = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        answers = program.module.answers(leaf)
        if program.units.task == "classification":
            # the mean probability's logarithm, from logarithms: no gradient is lost where a probability rounds to 0 or 1
            picked = torch.logsumexp(answers, 0).gather(1, targets[:, None])
            loss = -picked.sum()
        else:
            loss = (answers.mean(0) - targets).square().sum()
        return torch.autograd.grad(loss, leaf)[0]


def _scale(program: Program) -> Tensor:
    std = torch.tensor(program.units.inputs.std)
    return std.reshape(1, -1, *[1] * (len(program.input_shape) - 1))
