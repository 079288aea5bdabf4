"""The members asked one after the other by the plain traced network: slow, obvious, and without an export.

It answers what a program answers; what only needs the answers (a sweep over sparsities, a study) needs no program.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bitsback.form.outputs import VOTES, Outputs, Reading
from bitsback.form.program import Members, Predict, Units
from bitsback.given.network import Network
from bitsback.given.params import Params

_BATCH = 100  # so many activations of a small convolutional network stay in the caches: 1.7 times as fast as 1000


def members_of(fixed: Params, draws: Params) -> list[Params]:
    """Every tensor that the network takes, for each draw.

    Args:
        fixed: What all members share, by name.
        draws: The others, stacked `[S, *shape]`, as a posterior samples them; at least one.
    """
    count = len(next(iter(draws.values())))
    return [{**fixed, **{name: each[index] for name, each in draws.items()}} for index in range(count)]


def asked(network: Network, tensors: Sequence[Params]) -> Members:
    """The plain network as members.

    Args:
        network: Traced for evaluation.
        tensors: Every tensor that it takes, for each member; the posterior mean alone makes a point.
    """

    def answers(inputs: Tensor) -> Tensor:
        return torch.stack([network(each, inputs) for each in tensors])

    return answers


@torch.no_grad()
def predict(members: Members, units: Units, inputs: np.ndarray, reading: Reading = VOTES) -> Outputs:
    """What the average of the members predicts.

    Args:
        members: Standardized inputs to the members' outputs.
        units: What ties the network to the user's units.
        inputs: Raw, float32 [N, *shape], N at least 1.
        reading: The form's.

    Returns:
        `mean`, `total`, `data`, `knowledge` as the program of the same members gives them.
    """
    program = Predict(members, units, inputs.ndim - 1, reading)
    parts = [program.combine(program.answers(batch)) for batch in torch.from_numpy(inputs).split(_BATCH)]
    return Outputs(*(torch.cat(field) for field in zip(*parts, strict=True)))
