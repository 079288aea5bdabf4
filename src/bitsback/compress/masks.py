"""Pruning: from a policy and a posterior to masks, and from masks to a posterior again."""

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bitsback.errors import PolicyError
from bitsback.given.params import Params
from bitsback.policy.choice import Policy
from bitsback.policy.saliency import saliency
from bitsback.posterior.contract import Dropout, Gaussian, Listing, Posterior


@dataclass(frozen=True)
class Masked:
    """A posterior some of whose weights are exactly zero, in the mean and in every draw.

    Attributes:
        inner: the posterior before pruning.
        masks: 1 for kept and 0 for pruned weights, by param name.
    """

    inner: Posterior
    masks: Params

    @property
    def fixed(self) -> Params:
        """The inner posterior's."""
        return self.inner.fixed

    @property
    def listing(self) -> Listing | None:
        """The inner posterior's."""
        return self.inner.listing

    @property
    def dropout(self) -> Mapping[str, Dropout]:
        """The inner posterior's."""
        return self.inner.dropout

    def marginals(self) -> dict[str, Gaussian]:
        """The inner marginals; pruned weights are 0 ± 0."""
        inner = self.inner.marginals()
        return {n: Gaussian(self._masked(n, mean), self._masked(n, var)) for n, (mean, var) in inner.items()}

    def sample(self, count: int, generator: torch.Generator) -> Params:
        """The inner draws with pruned weights at zero."""
        return {name: self._masked(name, draws) for name, draws in self.inner.sample(count, generator).items()}

    def centre(self) -> Params:
        """The inner centre with pruned weights at zero."""
        return {name: self._masked(name, value) for name, value in self.inner.centre().items()}

    def _masked(self, name: str, tensor: Tensor) -> Tensor:
        if name not in self.masks:
            return tensor
        return torch.where(self.masks[name].bool(), tensor, torch.zeros((), dtype=tensor.dtype))


def prune(posterior: Posterior, masks: Mapping[str, Tensor]) -> Masked:
    """Sets the weights where a mask is 0 to exactly zero.

    Args:
        posterior: any posterior.
        masks: of zeros and ones by param name, of the params' shapes; the user's own, or from `masks_for`.

    Raises:
        PolicyError: a mask names no random param, has another shape, or holds something else than zeros and ones.
    """
    if not isinstance(masks, Mapping):
        raise PolicyError(f"masks are of type {type(masks).__name__}; they must be tensors by param name")
    marginals = posterior.marginals()
    for name, mask in masks.items():
        if name not in marginals:
            raise PolicyError(
                f"there is a mask for {name!r}, which is no random param; those are {', '.join(marginals)}"
            )
        if not isinstance(mask, Tensor):
            raise PolicyError(f"the mask for {name!r} is of type {type(mask).__name__}; it must be a tensor of 0 and 1")
        shape = marginals[name].mean.shape
        if mask.shape != shape:
            raise PolicyError(f"the mask for {name!r} has shape {list(mask.shape)}; the param has {list(shape)}")
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise PolicyError(f"the mask for {name!r} holds values other than 0 and 1")
    return Masked(posterior, {name: mask.float() for name, mask in masks.items()})


def masks_for(posterior: Posterior, policy: Policy) -> Params:
    """The masks that a policy asks for: within each group exactly the share `sparsity` of the weights goes, or of blocks less.

    The params that a pattern (or the default) speaks for compete with one another where its scope is "global", and lose
    their own share each where it is "layer". Params with fewer than two axes (biases) go only where a pattern names them.

    Raises:
        PolicyError: a pattern speaks for no param, or the saliency does not fit the posterior.
    """
    marginals = posterior.marginals()
    groups: dict[tuple[str | None, str], list[str]] = {}
    for name, marginal in marginals.items():
        pattern = policy.pattern(name)
        if pattern is None and marginal.mean.ndim < 2:
            continue
        alone = policy.choice(pattern).scope == "layer"
        groups.setdefault((pattern, name if alone else ""), []).append(name)
    _refuse_idle_patterns(policy, {pattern for pattern, _ in groups}, list(marginals))
    masks: Params = {}
    for (pattern, _), names in groups.items():
        choice = policy.choice(pattern)
        scores = saliency(choice.saliency if choice.sparsity else "magnitude", posterior)  # nothing goes: any will do
        masks |= _keep_best({name: scores[name] for name in names}, choice.sparsity, choice.block)
    return {name: masks[name] for name in marginals if name in masks}


def _refuse_idle_patterns(policy: Policy, used: set[str | None], names: list[str]) -> None:
    for pattern in policy.layers:
        if pattern in used:
            continue
        matched = fnmatch.filter(names, pattern)
        if matched:
            raise PolicyError(
                f"the policy's pattern {pattern!r} never counts: {policy.pattern(matched[0])!r} comes first and takes "
                f"{matched[0]}; put the narrower pattern first"
            )
        raise PolicyError(f"the policy's pattern {pattern!r} matches no param; there are {', '.join(names)}")


def sweep(posterior: Posterior, policy: Policy, sparsities: Iterable[float]) -> dict[float, Masked]:
    """The posterior pruned to each of several default sparsities, all from the same scores, without retraining."""
    pruned: dict[float, Masked] = {}
    for sparsity in sparsities:
        default = replace(policy.default, sparsity=sparsity)
        pruned[sparsity] = prune(posterior, masks_for(posterior, replace(policy, default=default)))
    return pruned


def _keep_best(scores: Params, sparsity: float, block: tuple[int, int]) -> Params:
    """Masks that drop round(sparsity · n) of the n weights, or as many fewer as whole blocks allow.

    The lowest scores go first, ties by position. A block's score is the root of the mean square of its weights'.
    """
    worth, sizes = ({name: each[which] for name, each in _blocks(scores, block).items()} for which in (0, 1))
    flat, size = (torch.cat([each.reshape(-1) for each in parts.values()]) for parts in (worth, sizes))
    order = torch.argsort(flat, stable=True)
    drop = size[order].cumsum(0) <= round(sparsity * float(size.sum()))
    keep = torch.ones_like(flat)
    keep[order[drop]] = 0
    parts = keep.split([each.numel() for each in worth.values()])
    return {
        name: _spread(part.view_as(worth[name]), scores[name], block) for part, name in zip(parts, worth, strict=True)
    }


def _blocks(scores: Params, block: tuple[int, int]) -> dict[str, tuple[Tensor, Tensor]]:
    """What each block of a param is worth, and how many weights it has: fewer at the far edges."""
    if block == (1, 1):
        return {name: (score.double(), torch.ones_like(score, dtype=torch.float64)) for name, score in scores.items()}
    found = {}
    for name, score in scores.items():
        squares, size = (_summed(each, block) for each in (score.double().square(), torch.ones_like(score).double()))
        found[name] = torch.sqrt(squares / size), size
    return found


def _summed(values: Tensor, block: tuple[int, int]) -> Tensor:
    flat = values.reshape(*_flat(values))
    rows, columns = (-size % side for size, side in zip(flat.shape, block, strict=True))
    flat = torch.nn.functional.pad(flat, (0, columns, 0, rows))
    return flat.unflatten(1, (-1, block[1])).unflatten(0, (-1, block[0])).sum((1, 3))


def _spread(keep: Tensor, like: Tensor, block: tuple[int, int]) -> Tensor:
    if block == (1, 1):
        return keep.to(like.dtype)
    whole = keep.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    outputs, inputs = _flat(like)
    return whole[:outputs, :inputs].reshape(like.shape).to(like.dtype)


def _flat(tensor: Tensor) -> tuple[int, int]:
    """Outputs and inputs."""
    outputs = tensor.shape[0] if tensor.ndim else 1
    return outputs, tensor.numel() // outputs
