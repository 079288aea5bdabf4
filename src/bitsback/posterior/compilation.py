"""Whether and how the loss is compiled."""

import shutil
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from bitsback.errors import RecipeError
from bitsback.given.params import Params
from bitsback.posterior.inference import Batch, Objective

WORTH_IT = 4000  # steps; compiling takes as long as about two thousand steps of a small network

Loss: TypeAlias = Callable[[Params, Params, Batch], Tensor]


def check_compiler(asked: bool | None) -> None:
    """Refuse to compile where nothing can.

    Args:
        asked: whether to compile; None takes what there is.

    Raises:
        RecipeError: compilation is asked for and there is no C++ compiler.
    """
    if asked and not _compiler():
        raise RecipeError("compile is true, but no C++ compiler is found; install g++, or leave compile out")


def loss_function(objective: Objective, asked: bool | None, steps: int) -> Loss:
    """The objective's loss, compiled or as it is.

    Args:
        objective: whose loss.
        asked: whether to compile; None: where there is a C++ compiler and the run has at least `WORTH_IT` steps.
        steps: of the run.

    Raises:
        RecipeError: compilation is asked for and there is no C++ compiler.
    """
    check_compiler(asked)
    if asked or (asked is None and steps >= WORTH_IT and _compiler()):
        # PyTorch's own random numbers: Inductor's are many times slower on a CPU.
        return torch.compile(objective.loss, dynamic=False, options={"fallback_random": True})
    return objective.loss


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
