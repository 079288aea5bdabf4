"""How outputs explain targets: categorical for classes, Gaussian with a learned noise for real targets."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Likelihood:
    """p(target | output).

    Attributes:
        task: "classification": outputs are logits `[B, C]`, targets class numbers `[B]`; "regression": outputs are means
            `[B, D]` and targets `[B, D]`, both standardized.
        outputs: C or D.
    """

    task: Task
    outputs: int

    def start(self) -> Tensor:
        """The likelihood's own trained variable: log noise standard deviations `[D]`, empty for classes."""
        return torch.zeros(self.outputs if self.task == "regression" else 0)

    def nll(self, outputs: Tensor, targets: Tensor, log_noise: Tensor) -> Tensor:
        """The mean negative log likelihood per datum, in nats (regression: summed over the D targets)."""
        if self.task == "classification":
            return torch.nn.functional.cross_entropy(outputs, targets)
        scaled = (targets - outputs) * torch.exp(-log_noise)
        return (0.5 * scaled.square() + log_noise + 0.5 * math.log(2 * math.pi)).sum(-1).mean()
