"""Every operator that has a rule, with inputs to try it on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bitsback.posterior.contract import Gaussian

_aten = torch.ops.aten


def gaussian(*shape: int, std: float = 0.3, seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return Gaussian(mean, (std * (0.5 + torch.rand(*shape, generator=generator, dtype=torch.float64))).square())


def tensor(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """One call of an operator.

    Attributes:
        operator: what is called.
        args: its arguments; those that are Gaussians are drawn.
        kwargs: further ones.
        mean_error: how far the mean may be off, in standard deviations of the output.
        std_error: how far its standard deviation may be off, as a share.
    """

    operator: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mean_error: float = 0.0
    std_error: float = 0.0

    @property
    def name(self) -> str:
        packed = " ".join(_named(arg) for arg in self.args)
        return f"{self.operator}({packed})"


def _named(value: Any) -> str:
    if isinstance(value, Gaussian):
        return "N" + "x".join(map(str, value.mean.shape))
    if isinstance(value, list) and value and isinstance(value[0], Gaussian):
        return f"[{len(value)}]"
    return "T" if isinstance(value, Tensor) else str(value)


def case(operator: Callable[..., Any], *args: Any, off: tuple[float, float] = (0.0, 0.0), **kwargs: Any) -> Case:
    return Case(operator, args, kwargs, *off)


X, IMAGE, LINE = gaussian(3, 6), gaussian(2, 4, 6, 6, seed=1), gaussian(2, 4, 9, seed=2)
_WEIGHT, _BIAS = gaussian(5, 6, seed=3), gaussian(5, seed=4)
_KERNEL, _FILTER = gaussian(8, 4, 3, 3, seed=5), gaussian(8, 4, 3, seed=6)
_CHANNELS = (*(tensor(4, seed=s) for s in (1, 2, 3)), tensor(4, seed=4).square() + 0.5)

AFFINE = (
    case(_aten.linear.default, X, _WEIGHT, _BIAS),
    case(_aten.linear.default, X, _WEIGHT),
    case(_aten.linear.default, X.mean, _WEIGHT, _BIAS),
    case(_aten.linear.default, X, _WEIGHT.mean, _BIAS.mean),
    case(_aten.linear.default, X, _WEIGHT.mean, _BIAS),
    case(_aten.linear.default, X.mean, _WEIGHT.mean, _BIAS),
    case(_aten.conv1d.default, LINE, _FILTER, gaussian(8), [2], [1], [2]),
    case(_aten.conv1d.padding, LINE, _FILTER, None, [1], "same"),
    case(_aten.conv2d.default, IMAGE, _KERNEL, gaussian(8)),
    case(_aten.conv2d.default, IMAGE, _KERNEL, None, [2, 1], [1, 2], [1, 2]),
    case(_aten.conv2d.default, IMAGE, gaussian(8, 2, 3, 3, seed=7), None, [1, 1], [1, 1], [1, 1], 2),
    case(_aten.conv2d.default, IMAGE, gaussian(4, 1, 3, 3, seed=8), None, [1, 1], [1, 1], [1, 1], 4),
    case(_aten.conv2d.padding, IMAGE, _KERNEL, None, [1, 1], "same"),
    case(_aten.matmul.default, X, gaussian(6, 2)),
    case(_aten.mm.default, X, gaussian(6, 2)),
    case(_aten.bmm.default, gaussian(2, 3, 4), gaussian(2, 4, 3, seed=3)),
    case(_aten.embedding.default, gaussian(7, 3), torch.tensor([[0, 6], [2, 2]])),
)
PIECEWISE = (
    *(case(each, X) for each in (_aten.relu.default, _aten.relu6.default, _aten.leaky_relu.default)),
    *(case(each, X) for each in (_aten.relu_.default, _aten.relu6_.default, _aten.leaky_relu_.default)),
    case(_aten.leaky_relu.default, X, 0.3),
    case(_aten.leaky_relu_.default, X, 0.3),
    case(_aten.hardtanh.default, X),
    case(_aten.hardtanh_.default, X, -0.5, 2.0),
    case(_aten.clamp.default, X, -0.2, 0.4),
    case(_aten.clamp.default, X, -0.5),
    case(_aten.clamp.default, X, None, 0.5),
    case(_aten.clamp.default, X, max=0.5),
    case(_aten.clamp_min.default, X, -0.5),
)
SMOOTH = (
    *(case(each, X) for each in (_aten.sigmoid.default, _aten.tanh.default, _aten.silu.default, _aten.silu_.default)),
    *(case(each, X) for each in (_aten.gelu.default, _aten.softplus.default, _aten.mish.default)),
    case(_aten.gelu.default, X, approximate="tanh"),
    *(
        case(each, X, off=(0.02, 0.02))
        for each in (_aten.elu.default, _aten.hardswish.default, _aten.hardsigmoid.default)
    ),
)
SUMS = (
    case(_aten.add.Tensor, X, gaussian(3, 6, seed=8)),
    case(_aten.add.Tensor, X, X),
    case(_aten.add.Tensor, X, tensor(6)),
    case(_aten.add.Tensor, tensor(3, 6), X, alpha=2),
    case(_aten.add.Tensor, gaussian(6), X),
    case(_aten.add.Tensor, X, 1.5),
    case(_aten.add_.Tensor, X, gaussian(3, 6, seed=8)),
    case(_aten.sub.Tensor, X, gaussian(3, 6, seed=8)),
    case(_aten.sub.Tensor, X, X),
    case(_aten.sub_.Tensor, X, 0.5),
    case(_aten.rsub.Scalar, X, 1.0),
    case(_aten.neg.default, X),
    case(_aten.mul.Tensor, X, gaussian(3, 6, seed=8)),
    case(_aten.mul.Tensor, X, X),
    case(_aten.mul.Tensor, X, tensor(6)),
    case(_aten.mul.Tensor, tensor(3, 6), X),
    case(_aten.mul_.Tensor, X, 2.0),
    case(_aten.div.Tensor, X, 2.0),
    case(_aten.div_.Tensor, X, tensor(6).abs() + 1),
    case(_aten.mean.dim, IMAGE, [-1, -2]),
    case(_aten.mean.dim, IMAGE, [1], True),
    case(_aten.mean.default, X),
    case(_aten.sum.dim_IntList, X, [1]),
    case(_aten.cat.default, [X, gaussian(3, 2), tensor(3, 1)], 1),
    case(_aten.pad.default, IMAGE, [1, 2, 0, 1]),
    case(_aten.pad.default, IMAGE, [1, 2, 0, 1], "constant", 0.5),
    case(_aten.pad.default, IMAGE, [1, 2, 0, 1], "reflect"),
)
MOVES = (
    *(case(each, X, [2, 9]) for each in (_aten.view.default, _aten.reshape.default)),
    case(_aten.flatten.using_ints, IMAGE, 1),
    case(_aten.unflatten.int, X, 1, [2, 3]),
    case(_aten.permute.default, IMAGE, [0, 2, 3, 1]),
    case(_aten.transpose.int, IMAGE, 1, 2),
    case(_aten.t.default, X),
    case(_aten.movedim.int, IMAGE, 1, 3),
    case(_aten.unsqueeze.default, X, 1),
    *(case(each, gaussian(3, 1, 2), *at) for each, at in ((_aten.squeeze.default, ()), (_aten.squeeze.dim, (1,)))),
    case(_aten.squeeze.dims, gaussian(3, 1, 2), [1]),
    case(_aten.slice.Tensor, IMAGE, 2, 0, 6, 2),
    case(_aten.select.int, X, 1, 2),
    case(_aten.expand.default, gaussian(1, 6), [3, 6]),
    *(case(each, X) for each in (_aten.contiguous.default, _aten.clone.default, _aten.alias.default)),
    *(case(each, X, 2, 1) for each in (_aten.chunk.default, _aten.split.Tensor)),
    case(_aten.split_with_sizes.default, X, [2, 4], 1),
    case(_aten.narrow.default, X, 1, 1, 3),
    case(_aten.index_select.default, X, 1, torch.tensor([3, 3, 0])),
    case(_aten.flip.default, X, [1]),
    case(_aten.roll.default, X, [2], [1]),
    case(_aten.pixel_shuffle.default, IMAGE, 2),
    case(_aten.pixel_unshuffle.default, IMAGE, 2),
    case(_aten.channel_shuffle.default, IMAGE, 2),
    case(_aten.upsample_nearest1d.vec, LINE, None, [2.0]),
    case(_aten.upsample_nearest2d.vec, IMAGE, None, [2.0, 2.0]),
)
POOLS = (
    case(_aten.avg_pool1d.default, LINE, [3], [2], [1]),
    case(_aten.avg_pool1d.default, LINE, [3], [2], [1], False, False),
    case(_aten.avg_pool2d.default, IMAGE, [2, 3], [2, 1]),
    case(_aten.avg_pool2d.default, IMAGE, [3], [2], [1], False, False),
    case(_aten.avg_pool2d.default, IMAGE, [2], [], [0], False, True, 3),
    case(_aten.adaptive_avg_pool1d.default, LINE, [4]),
    case(_aten.adaptive_avg_pool2d.default, IMAGE, [1, 1]),
    case(_aten.adaptive_avg_pool2d.default, IMAGE, [4, 5]),
)
# "larger_mean" is 0.56 standard deviations short where two equals meet, and more in a larger window: an approximation by name.
MAX_POOLS = (
    case(_aten.max_pool1d.default, LINE, [2], off=(0.6, 0.5)),
    case(_aten.max_pool1d.default, LINE, [3], [2], [1], [2], off=(1.2, 0.8)),
    case(_aten.max_pool2d.default, IMAGE, [2], off=(1.2, 0.8)),
    case(_aten.max_pool2d.default, IMAGE, [3, 2], [2, 1], [1, 1], off=(1.7, 1.0)),
)
NORMS = (
    case(_aten.batch_norm.default, IMAGE, *_CHANNELS, False, 0.1, 1e-5, False),
    case(_aten.batch_norm.default, IMAGE, None, None, *_CHANNELS[2:], False, 0.1, 1e-5, False),
    # n = 48: the random centre and spread are left out.
    case(
        _aten.layer_norm.default, gaussian(3, 48, std=0.2), [48], tensor(48), tensor(48, seed=2), 1e-5, off=(0.2, 0.2)
    ),
    case(_aten.layer_norm.default, gaussian(3, 48, std=0.2), [48], off=(0.2, 0.2)),
)
# 64 quasi-random points stand for the distribution.
SOFTMAX = (case(_aten.softmax.int, X, 1, off=(0.1, 0.15)), case(_aten.softmax.int, X, 0, off=(0.1, 0.15)))

CASES = (*AFFINE, *PIECEWISE, *SMOOTH, *SUMS, *MOVES, *POOLS, *MAX_POOLS, *NORMS, *SOFTMAX)
