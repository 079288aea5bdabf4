"""Pruning in cycles: prune a little, let the rest recover under the mask, and again."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bitsback.compress.masks import Masked, masks_for, prune
from bitsback.given.params import Params
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.contract import Posterior
from bitsback.settings import check_whole


@dataclass(frozen=True)
class Cycles:
    """How pruning is spread over time.

    Attributes:
        count: how often to prune; 1 is one shot.
        recover: whether to fine-tune after each pruning.
    """

    count: int = 1
    recover: bool = False

    def __post_init__(self) -> None:
        check_whole("cycles", self.count, 1)

    def share(self, cycle: int, final: float) -> float:
        """The sparsity after cycle `cycle` of `count`, falling geometrically in what is kept: 1 − (1 − final)^(i/n)."""
        return final if cycle == self.count else 1 - (1 - final) ** (cycle / self.count)


def prune_in_cycles(
    posterior: Posterior, policy: Policy, cycles: Cycles, refit: Callable[[Posterior, Params, int], Posterior]
) -> Masked:
    """Prunes to the policy's sparsities in equal ratios of what is kept, fine-tuning in between.

    Args:
        posterior: where to start.
        policy: where to end.
        cycles: how many steps, and whether the rest recovers after each.
        refit: fine-tunes a pruned posterior under its masks in cycle 1, 2, …; it is called only when `cycles.recover`.

    Returns:
        The pruned posterior, fine-tuned if asked.

    Raises:
        PolicyError: as `masks_for`.
    """
    current = posterior
    pruned = Masked(posterior, {})
    for cycle in range(1, cycles.count + 1):
        masks = masks_for(current, _at(policy, cycles, cycle))
        pruned = prune(current, masks)
        if cycles.recover:
            current = refit(pruned, masks, cycle)
            pruned = prune(current, masks)
        else:
            current = pruned
    return pruned


def _at(policy: Policy, cycles: Cycles, cycle: int) -> Policy:
    def shared(choice: Choice) -> Choice:
        return replace(choice, sparsity=cycles.share(cycle, choice.sparsity))

    return Policy(shared(policy.default), {pattern: shared(choice) for pattern, choice in policy.layers.items()})
