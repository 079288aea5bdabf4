"""Distillation: targets that are, in part, what another network said of the same data.

    loss = (1 − s) · (−log p(target | outputs)) + s · τ² · KL(teacher at τ ‖ outputs at τ)

with logits divided by the softening τ before either becomes probabilities (Hinton, Vinyals & Dean 2015, section 2). Of a
regression the second part is the negative log likelihood of the teacher's means.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softmax

from bitsback.errors import RecipeError
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples
from bitsback.settings import check_positive, is_number


@dataclass(frozen=True)
class Distillation:
    """How much of the loss comes from the teacher.

    Attributes:
        share: s, from 0 to 1; 0 for none.
        softening: τ, what logits are divided by, above 0; of classes.
    """

    share: float = 0.0
    softening: float = 2.0

    def __post_init__(self) -> None:
        if not (is_number(self.share) and 0 <= self.share <= 1):
            raise RecipeError(f"share is {self.share!r}; it must be a number from 0 to 1")
        check_positive("softening", self.softening)


@dataclass(frozen=True)
class Distilled(Likelihood):
    """A likelihood whose targets are those of `with_teacher`: what is right, and what the teacher said.

    Attributes:
        distillation: how much of which.
    """

    distillation: Distillation = Distillation()

    def nll(self, outputs: Tensor, targets: Tensor, log_noise: Tensor) -> Tensor:
        """The mean of both parts per datum, in nats."""
        share, right, said = self.distillation.share, *targets.tensor_split([targets.shape[1] - self.outputs], 1)
        if self.task == "regression":
            hard, soft = (super(Distilled, self).nll(outputs, each, log_noise) for each in (right, said))
        else:
            hard = super().nll(outputs, right.squeeze(1).long(), log_noise)
            soft = self._divergence(outputs, said)
        return (1 - share) * hard + share * soft

    def _divergence(self, outputs: Tensor, said: Tensor) -> Tensor:
        softening = self.distillation.softening
        teacher, student = said / softening, log_softmax(outputs / softening, -1)
        each = softmax(teacher, -1) * (log_softmax(teacher, -1) - student)
        return softening**2 * each.sum(-1).mean()


def with_teacher(examples: Examples, said: Tensor) -> Examples:
    """Examples whose targets have what a teacher said of each beside them.

    Args:
        examples: of any task.
        said: logits, or means of standardized targets, `[N, C]`.

    Returns:
        Targets `[N, 1 + C]` of classes, `[N, 2 D]` of a regression.
    """
    right = examples.targets.to(said.dtype).reshape(len(said), -1)
    return Examples(examples.inputs, torch.cat([right, said], 1))
