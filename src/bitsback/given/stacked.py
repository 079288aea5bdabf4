"""Running a traced graph over stacked values: one leading axis for the members.

Operators are mapped with `torch.func.vmap`, but for those whose mapping would fix the batch size of an exported program:
convolutions become grouped convolutions, linear layers over several positions matrix products, and what treats every
example alike (pools, norms, attention) takes members and batch as one long batch.
"""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.utils import _pytree as pytree

from bitsback.errors import ExportError

_aten = torch.ops.aten
_CONVOLUTIONS = {
    _aten.conv1d.default: 1,
    _aten.conv2d.default: 2,
    _aten.conv1d.padding: 1,
    _aten.conv2d.padding: 2,
}
_EXAMPLE_BY_EXAMPLE = (
    *(_aten.max_pool1d.default, _aten.max_pool2d.default, _aten.avg_pool1d.default, _aten.avg_pool2d.default),
    *(_aten.adaptive_avg_pool1d.default, _aten.adaptive_avg_pool2d.default),
    *(_aten.adaptive_max_pool1d.default, _aten.adaptive_max_pool2d.default),
    *(_aten.upsample_nearest2d.vec, _aten.upsample_bilinear2d.vec),
    *(_aten.batch_norm.default, _aten.layer_norm.default, _aten.group_norm.default, _aten.instance_norm.default),
    _aten.scaled_dot_product_attention.default,
)


@dataclass(frozen=True)
class Stack:
    """A value that differs between members.

    Attributes:
        tensor: `[S, *shape]`.
    """

    tensor: Tensor


class StackedInterpreter(Interpreter):
    """Interprets a graph in which some inputs are `Stack`s; what depends on none of them is computed once.

    Raises:
        ExportError: an operator cannot be mapped; it is named with the line of the network that calls it.
    """

    def __init__(self, graph: GraphModule) -> None:
        super().__init__(graph)
        self.extra_traceback = False
        self.batch: Any = None

    def run_node(self, n: Node) -> Any:
        """One node: as it is, or over members by its rule.

        Raises:
            ExportError: the operator cannot be mapped, or only for one batch size.
        """
        if n.op != "call_function":
            value = super().run_node(n)
            if n.op == "placeholder" and isinstance(value, Tensor) and value.ndim:
                self.batch = value.shape[0]  # the last placeholder is the input batch
            return value
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        differs = any(self.differs(leaf) for leaf in pytree.tree_leaves((args, kwargs)))
        if n.target is operator.getitem or not differs:
            return n.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]
        try:
            result = self.over_members(n.target, args, kwargs)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ExportError(_refusal(n, "cannot be mapped over ensemble members")) from error
        if isinstance(self.batch, torch.SymInt) and self.batch.node.maybe_as_int() is not None:
            raise ExportError(_refusal(n, "can be mapped over ensemble members for one batch size only"))
        return result

    def differs(self, value: Any) -> bool:
        """Whether a value differs between members."""
        return isinstance(value, Stack)

    def over_members(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What an operator gives of values of which some differ between members."""
        return _over_members(target, args, kwargs)


def _refusal(node: Node, what: str) -> str:
    where = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines() if line.strip()]
    place = where[-1] if where else node.name
    return f'the operator {node.target} {what} (at `{place}`); the point form (form.name = "point") needs no mapping'


def _over_members(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if target in _CONVOLUTIONS:
        return _grouped_convolution(target, *args, **kwargs)
    if target is _aten.expand.default:
        return _expanded(*args)
    if target is _aten.cat.default:
        return _concatenated(*args)
    if target is _aten.embedding.default and not isinstance(args[1], Stack):
        return Stack(args[0].tensor[:, args[1]])
    if target is _aten.batch_norm.default and any(isinstance(each, Stack) for each in args[1:5]):
        return _normed_channels(*args)
    if target is _aten.linear.default and _axes(args[0]) > 2:
        return _matrix_product(*args)
    leaves, spec = pytree.tree_flatten((args, kwargs))
    return (_one_long_batch if target in _EXAMPLE_BY_EXAMPLE else _mapped)(target, leaves, spec)


def _mapped(target: Any, leaves: list[Any], spec: Any) -> Any:
    stacked = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Stack)]

    def one(*tensors: Tensor) -> Any:
        filled = list(leaves)
        for i, tensor in zip(stacked, tensors, strict=True):
            filled[i] = tensor
        args, kwargs = pytree.tree_unflatten(filled, spec)
        return target(*args, **kwargs)

    result = torch.func.vmap(one)(*(leaves[i].tensor for i in stacked))
    return pytree.tree_map(lambda tensor: Stack(tensor) if isinstance(tensor, Tensor) else tensor, result)


def _one_long_batch(target: Any, leaves: list[Any], spec: Any) -> Any:
    members = next(leaf.tensor.shape[0] for leaf in leaves if isinstance(leaf, Stack))
    long = [leaf.tensor.flatten(0, 1) if isinstance(leaf, Stack) else leaf for leaf in leaves]
    args, kwargs = pytree.tree_unflatten(long, spec)
    result = target(*args, **kwargs)
    return pytree.tree_map(lambda tensor: Stack(tensor.unflatten(0, (members, -1))), result)


def _grouped_convolution(  # one member's channels form one group; a shared input is repeated for every member
    target: Any, inputs: Any, weight: Any, bias: Any = None, *rest: Any
) -> Stack:
    axes = _CONVOLUTIONS[target]
    stride, padding, dilation, groups = (*rest, *([1] * axes, [0] * axes, [1] * axes, 1)[len(rest) :])
    members = next(value.tensor.shape[0] for value in (inputs, weight, bias) if isinstance(value, Stack))
    inputs, weight = _spread(inputs, members), _spread(weight, members)
    folded = inputs.transpose(0, 1).flatten(1, 2)
    bias = None if bias is None else _spread(bias, members).flatten()
    outputs = target(folded, weight.flatten(0, 1), bias, stride, padding, dilation, groups * members)
    return Stack(outputs.reshape(outputs.shape[0], members, -1, *outputs.shape[-axes:]).transpose(0, 1))


def _normed_channels(inputs: Any, *args: Any) -> Stack:  # params and statistics of each member: members are channels
    sides, rest = args[:4], args[4:]
    members = next(value.tensor.shape[0] for value in (inputs, *sides) if isinstance(value, Stack))
    folded = _spread(inputs, members).transpose(0, 1).flatten(1, 2)
    outputs = _aten.batch_norm.default(
        folded, *(None if each is None else _spread(each, members).flatten() for each in sides), *rest
    )
    return Stack(outputs.unflatten(1, (members, -1)).transpose(0, 1))


def _matrix_product(inputs: Any, weight: Any, bias: Any = None) -> Stack:
    members = next(value.tensor.shape[0] for value in (inputs, weight, bias) if isinstance(value, Stack))
    inputs, weight = _spread(inputs, members), _spread(weight, members)
    outputs = torch.matmul(inputs.flatten(1, -2), weight.mT)
    if bias is not None:
        outputs = outputs + _spread(bias, members).unsqueeze(1)
    return Stack(outputs.reshape(*inputs.shape[:-1], weight.shape[1]))


def _expanded(inputs: Stack, sizes: list[Any]) -> Stack:
    members, *shape = inputs.tensor.shape
    new_axes = [1] * (len(sizes) - len(shape))
    return Stack(inputs.tensor.reshape(members, *new_axes, *shape).expand(members, *sizes))


def _concatenated(tensors: list[Any], axis: int = 0) -> Stack:
    members = next(value.tensor.shape[0] for value in tensors if isinstance(value, Stack))
    return Stack(torch.cat([_spread(value, members) for value in tensors], axis % _axes(tensors[0]) + 1))


def _axes(value: Any) -> int:
    return value.tensor.ndim - 1 if isinstance(value, Stack) else value.ndim


def _spread(value: Any, members: int) -> Tensor:
    return value.tensor if isinstance(value, Stack) else value.unsqueeze(0).expand(members, *value.shape)
