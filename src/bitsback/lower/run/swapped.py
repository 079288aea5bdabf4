"""Members swapped in and out of one graph, and what they say together, with numpy.

The graph is instantiated once; a call runs it once for each member, on that member's tensors where they lie: nothing is copied,
so that those of a mapped file are read when they are needed, and dropped when memory is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bitsback.errors import ArtifactError, RecipeError

ANSWERS, NOISE = "answers", "noise"
_TINY = float(np.finfo(np.float32).tiny)
Combined = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Members:
    """The tensors of an ensemble's members.

    Attributes:
        whole: how many there are.
        count: how many of them are asked.
    """

    def __init__(
        self, stacks: Mapping[str, np.ndarray], shapes: Mapping[str, Sequence[Any]], asked: int | None
    ) -> None:
        # Raises ArtifactError where the stacks `[S, *shape]` do not fit one another or what the graph takes, RecipeError where
        # there are fewer than are asked.
        sizes = {len(each) if each.ndim and each.size else 0 for each in stacks.values()}
        for name, each in stacks.items():
            if list(each.shape[1:]) != list(shapes[name]):
                raise ArtifactError(
                    f"the program takes members' {name!r} of shape {list(shapes[name])}, and the artifact's are of "
                    f"{list(each.shape[1:])}"
                )
        if len(sizes) != 1 or 0 in sizes:
            raise ArtifactError(f"the artifact's tensors are of {', '.join(map(str, sorted(sizes)))} members")
        self.whole = self.count = sizes.pop()
        if asked is not None:
            if not 1 <= asked <= self.count:
                raise RecipeError(f"members is {asked}; it must be from 1 to {self.count}, as many as there are")
            self.count = asked
        self._stacks = {name: np.ascontiguousarray(each) for name, each in stacks.items()}

    def each(self, run: Callable[[dict[str, np.ndarray]], Sequence[np.ndarray]]) -> Combined:
        """What the members say together: `mean`, `total`, `data`, `knowledge`.

        Args:
            run: One member's tensors, by name, to its answers [B, C], and the noise variance [D] of a regression.
        """
        found = [run({name: stack[index, ...] for name, stack in self._stacks.items()}) for index in range(self.count)]
        answers = np.stack([each[0] for each in found])
        return classify(answers) if len(found[0]) == 1 else regress(answers, found[0][1])


def classify(log_probabilities: np.ndarray) -> Combined:
    """As `form.outputs.classify`: members' log probabilities [S, B, C]."""
    probabilities = np.exp(log_probabilities)
    mean = probabilities.mean(0)
    data = -(probabilities * log_probabilities).sum(-1).mean(0)
    knowledge = (probabilities * (log_probabilities - np.log(np.maximum(mean, _TINY)))).sum(-1).mean(0)
    knowledge = np.maximum(knowledge, 0) if len(log_probabilities) > 1 else np.zeros_like(data)
    return mean, data + knowledge, data, knowledge


def regress(means: np.ndarray, noise_var: np.ndarray) -> Combined:
    """As `form.outputs.regress`: members' means [S, B, D] under a noise variance [D]."""
    mean = means.mean(0)
    knowledge = np.square(means - mean).mean(0).sum(-1)
    data = np.full_like(knowledge, noise_var.sum())
    return mean, data + knowledge, data, knowledge
