"""A user's network, traced once into a pure function of its params.

`torch.export` gives a graph whose inputs are the parameters, the buffers and the input batch. Everything after this file
(training, forms, export) runs or rewrites that graph; the user's module is never changed.
"""

import contextlib
import copy
import fnmatch
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node

from bitsback.errors import NetworkError, first_line
from bitsback.given.params import Params

_NORMS = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "native_layer_norm")


@dataclass(frozen=True)
class Network:
    """A traced network: `graph(*tensors, inputs)` is a pure function but for the running statistics of batch norms.

    Attributes:
        graph: the traced graph; its placeholders are the tensors of `names`, then the input batch.
        names: for each tensor placeholder the name of the tensor it takes; tied tensors share one name.
        params: the parameters' values by name, each once.
        buffers: the buffers' values by name.
        deterministic: parameters that stay points in every posterior, by name, with the reason.
        input_shape: the shape of one input.
        outputs: the number of outputs per input.
        held: names of parameters and buffers that training leaves as they are, the same in every sample.
    """

    graph: GraphModule
    names: tuple[str, ...]
    params: Params
    buffers: Params
    deterministic: dict[str, str]
    input_shape: tuple[int, ...]
    outputs: int
    held: frozenset[str] = frozenset()

    @property
    def bayesian(self) -> tuple[str, ...]:
        """The names of the parameters that get a distribution."""
        return tuple(name for name in self.params if name not in self.deterministic)

    @property
    def trained(self) -> tuple[str, ...]:
        """The names of the parameters that training moves: numbers with a gradient that are not held."""
        return tuple(n for n, value in self.params.items() if value.is_floating_point() and n not in self.held)

    def __call__(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The network's outputs `[B, outputs]` for inputs `[B, *input_shape]` under the given params and buffers."""
        return self.graph(*(tensors[name] for name in self.names), inputs)[0]

    def at(self, values: Mapping[str, Tensor]) -> "Network":
        """With copies of other values of the params and buffers, of those that are given."""
        params, buffers = (
            {name: values.get(name, tensor).detach().clone() for name, tensor in tensors.items()}
            for tensors in (self.params, self.buffers)
        )
        return replace(self, params=params, buffers=buffers)

    def kept(self, buffers: Params) -> Params:
        """Buffers after training, those that are held as they were before it."""
        return {name: self.buffers[name] if name in self.held else each for name, each in buffers.items()}


def hold(network: Network, patterns: Sequence[str], values: Mapping[str, Tensor]) -> Network:
    """The network with some tensors at given values that training leaves as they are.

    A batch norm whose statistics are held normalizes by them in training too: what follows sees what it will see in use.

    Args:
        network: traced.
        patterns: over the names of params and buffers, such as `conv1.*`.
        values: by name.

    Raises:
        NetworkError: a pattern matches nothing, or no weight is left that could be random.
    """
    names = [*network.params, *network.buffers]
    held: set[str] = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise NetworkError(f"nothing of the network matches {pattern!r}; there are {_some(names)}")
        held.update(matched)
    points = {name: "the same in all members" for name in network.bayesian if name in held}
    if points and len(points) == len(network.bayesian):
        raise NetworkError(
            f"{', '.join(map(repr, patterns))}: nothing is left to differ; one weight at least must not match"
        )
    return replace(
        network.at({name: values[name] for name in held}),
        graph=_normalizing_by(network, held),
        deterministic={**network.deterministic, **points},
        held=frozenset(held),
    )


def _some(names: Sequence[str]) -> str:
    """A few names in words."""
    more = len(names) - 8
    return ", ".join(names[:8]) + (f" and {more} more" if more > 0 else "")


def _normalizing_by(network: Network, held: set[str]) -> GraphModule:
    """The graph with every batch norm in use whose statistics are held."""
    graph = copy.deepcopy(network.graph)
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    statistics = {node for node, name in zip(placeholders, network.names, strict=False) if name in held}
    for node in graph.graph.nodes:
        if node.target is torch.ops.aten.batch_norm.default and node.args[3] in statistics:
            node.args = (*node.args[:5], False, *node.args[6:])
    graph.recompile()
    return graph


def trace(
    module: nn.Module, input_shape: Sequence[int], *, train: bool = False, deterministic: Sequence[str] = ()
) -> Network:
    """Traces a module with `torch.export` for any batch size.

    Args:
        module: any module that takes one float batch `[B, *input_shape]` and returns `[B, outputs]`.
        input_shape: the shape of one input.
        train: trace what the module does in training (dropout, batch statistics) instead of in evaluation.
        deterministic: patterns (`fc1.*`) of parameters to keep as points.

    Returns:
        The traced network, holding copies of the module's tensors.

    Raises:
        NetworkError: it cannot be traced, takes or returns something else, or a pattern matches nothing.
    """
    if not _listed(input_shape, int) or not all(each >= 1 for each in input_shape):
        raise NetworkError(f"the input shape is {input_shape!r}; it must be whole numbers, such as (1, 28, 28)")
    if not _listed(deterministic, str):
        raise NetworkError(f"deterministic is {deterministic!r}; it must be a list of patterns, such as ['fc1.*']")
    exported = _export(module, tuple(input_shape), train)
    one_name = _names_without_ties(module)
    signature = exported.graph_signature
    tensors = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    placeholders = [node for node in exported.graph.nodes if node.op == "placeholder"]
    _refuse_constants(placeholders, tensors)
    names = tuple(one_name[tensors[node.name]] for node in placeholders[:-1])
    params = {one_name[n]: p.detach().clone() for n, p in module.named_parameters()}
    buffers = {n: b.detach().clone() for n, b in module.named_buffers() if n in names}
    points = _deterministic(dict(zip(placeholders[:-1], names, strict=True)), params, deterministic)
    outputs = _outputs(exported.graph, module)
    graph = exported.graph_module if train else _without_identities(exported.graph_module)
    return Network(graph, names, params, buffers, points, tuple(input_shape), outputs)


def _listed(values: object, kind: type) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(each, kind) for each in values)


def _export(module: nn.Module, input_shape: tuple[int, ...], train: bool) -> ExportedProgram:
    if not isinstance(module, nn.Module) or type(module).forward is nn.Module.forward:
        kind = type(module).__name__
        what = f"{kind} has no forward" if isinstance(module, nn.Module) else f"{module!r} is no network"
        raise NetworkError(f"{what}; an instance of a torch.nn.Module with a forward is needed")
    modes = [(part, part.training) for part in module.modules()]
    module.train(train)
    try:
        with contextlib.redirect_stderr(io.StringIO()), _silent_logs():  # where it fails it tells all before it raises
            return torch.export.export(module, (torch.zeros(3, *input_shape),), dynamic_shapes=({0: Dim.DYNAMIC},))
    except (Exception, SystemExit) as error:  # what a user's network does may fail in any way
        raise NetworkError(
            f"{type(module).__name__} cannot be traced by torch.export with inputs of shape [batch, "
            f"{', '.join(map(str, input_shape))}]: {_why(error)}"
        ) from error
    finally:
        for part, training in modes:
            part.training = training


def _why(error: BaseException) -> str:
    fixed = "specialized it to be a constant" in str(error)
    return "it takes batches of one size only, and any must do" if fixed else first_line(error)


@contextlib.contextmanager
def _silent_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _names_without_ties(module: nn.Module) -> dict[str, str]:
    """Maps every name of a parameter or buffer to the first name of the same tensor."""
    first: dict[int, str] = {}
    every = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {name: first.setdefault(id(tensor), name) for name, tensor in every}


def _refuse_constants(placeholders: list[Node], tensors: Mapping[str, str]) -> None:
    unnamed = [node.name for node in placeholders[:-1] if node.name not in tensors]
    if unnamed:
        raise NetworkError(
            f"the network uses the constant tensor {unnamed[0]!r} that is neither a parameter nor a buffer; register it "
            "with register_buffer"
        )


def _deterministic(used_as: Mapping[Node, str], params: Params, patterns: Sequence[str]) -> dict[str, str]:
    points: dict[str, str] = {}
    users: dict[str, list[str]] = {name: [] for name in params}
    for node, name in used_as.items():
        users.get(name, []).extend(str(user.target) for user in node.users)
    for name, targets in users.items():
        if not targets:
            points[name] = "not used"
        elif any(norm in target for norm in _NORMS for target in targets):
            points[name] = "norm"
        elif not params[name].is_floating_point():
            points[name] = "not floating point"
    for pattern in patterns:
        matched = fnmatch.filter(params, pattern)
        if not matched:
            raise NetworkError(f"no parameter matches {pattern!r}; there are {', '.join(params)}")
        points.update(dict.fromkeys(matched, "asked for"))
    return points


def _outputs(graph: torch.fx.Graph, module: nn.Module) -> int:
    results = next(node for node in graph.nodes if node.op == "output").args[0]
    batch = next(node for node in reversed(graph.nodes) if node.op == "placeholder").meta["val"].shape[0]
    shape = getattr(results[0].meta.get("val"), "shape", ()) if isinstance(results[0], Node) else ()
    if len(results) != 1 or len(shape) != 2 or str(shape[0]) != str(batch) or not isinstance(shape[1], int):
        raise NetworkError(
            f"{type(module).__name__} returns {len(results)} value(s), the first of shape {list(shape)}; one tensor "
            "[batch, outputs] is expected"
        )
    return int(shape[1])


def _without_identities(graph: GraphModule) -> GraphModule:
    """Drops dropout nodes that do nothing in evaluation, so that no exporter has to be trusted with them."""
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and "dropout" in str(node.target) and node.args[-1] is False:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph
