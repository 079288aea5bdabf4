"""Optimizer and learning-rate schedule, as settings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.settings import check_among, check_positive, is_number

Optimizer = Literal["adam", "sgd"]
Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True)
class Optimization:
    """How variables move.

    Attributes:
        optimizer: "adam" or "sgd".
        learning_rate: before the schedule, above 0.
        momentum: of SGD, from 0 to below 1.
        weight_decay: L2 coefficient, at least 0 (for points; a posterior has a prior instead, and takes 0 only).
        schedule: "cosine" falls to 0 over the whole training, "constant" does not fall.
    """

    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"

    def __post_init__(self) -> None:
        check_among("optimizer", self.optimizer, get_args(Optimizer))
        check_among("schedule", self.schedule, get_args(Schedule))
        check_positive("learning_rate", self.learning_rate)
        if not (is_number(self.momentum) and 0 <= self.momentum < 1):
            raise RecipeError(f"momentum is {self.momentum!r}; it must be a number, at least 0 and below 1")
        if not (is_number(self.weight_decay) and 0 <= self.weight_decay < math.inf):
            raise RecipeError(f"weight_decay is {self.weight_decay!r}; it must be a finite number, at least 0")

    def build(
        self, variables: list[Tensor], rates: Sequence[float] | None = None, _surroundings: object = None
    ) -> torch.optim.Optimizer:
        """The optimizer for leaf tensors, with one fused pass per step; it asks nothing of the surroundings.

        Args:
            variables: what it moves.
            rates: for each variable what multiplies its learning rate; `set_rate` keeps to it. None: 1 for all.
        """
        groups = [
            {
                "params": [v for v, own in zip(variables, rates or [1.0] * len(variables), strict=True) if own == rate],
                "rate": rate,
            }
            for rate in dict.fromkeys(rates or [1.0])
        ]
        if self.optimizer == "adam":
            return torch.optim.Adam(groups, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
        return torch.optim.SGD(
            groups, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay, fused=True
        )

    def set_rate(self, optimizer: torch.optim.Optimizer, done: float) -> None:
        """Gives every variable its learning rate when the share `done` of all steps has been taken."""
        for group in optimizer.param_groups:
            group["lr"] = self.rate(done) * group["rate"]

    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """Nothing."""
        del optimizer
        return {}

    def rate(self, done: float) -> float:
        """The learning rate when the share `done` in [0, 1] of all steps has been taken."""
        return self.learning_rate * (0.5 * (1 + math.cos(math.pi * done)) if self.schedule == "cosine" else 1.0)
