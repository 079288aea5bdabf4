"""What a network holds, computed once: training goes on from where the network first depends on what is trained."""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from bitsback.given.network import Network

_MOST = 2**31
"""Bytes of what is kept of all inputs together; where it is more, it is computed anew in every step."""
_AT_ONCE = 256
"""Inputs that are computed together."""
_FEW = 4
"""Inputs on which it is seen that what an input gives does not depend on those beside it."""


def beyond(network: Network, inputs: Tensor) -> tuple[Network, Tensor]:
    """The network behind what it holds, and what that gives for each input.

    Both are given back as they are where nothing is held, where what is held gives the rest several tensors that come
    of no other than the input, where what it gives is not each input's own or would take more than 2 GiB, and where a tensor is
    overwritten on the way.

    Args:
        network: traced.
        inputs: `[N, *input_shape]`.

    Returns:
        A network with the same params and buffers, whose outputs for the second are those of the first for `inputs`.
    """
    if not network.held:
        return network, inputs
    graph = copy.deepcopy(network.graph)
    fixed, given = _fixed(network, graph)
    edge = [node for node in given if any(user not in fixed for user in node.users)]
    sizes = [node for node in edge if node.target is torch.ops.aten.sym_size.int and node.args[1] == 0]
    value, stays = _narrowest(given, [node for node in edge if node not in sizes])
    shape = value.meta["val"].shape[1:]
    if value is given[0] or _overwrites(graph) or len(inputs) * shape.numel() * inputs.element_size() > _MOST:
        return network, inputs
    run = _up_to(network, value.name)
    few = inputs[:_FEW]
    if not torch.allclose(run(few), torch.cat([run(each) for each in few.split(1)]), rtol=1e-4, atol=1e-5):
        return network, inputs
    with torch.no_grad():
        kept = torch.cat([run(some) for some in inputs.split(_AT_ONCE)])
    source = given[0]
    source.meta["val"] = value.meta["val"]
    value.replace_all_uses_with(source, delete_user_cb=lambda user: user not in fixed or user in stays)
    for node in sizes:
        node.replace_all_uses_with(_size_of(graph, source, node), delete_user_cb=lambda user: user not in fixed)
    for node in reversed(given[1:]):
        if node not in stays:
            graph.graph.erase_node(node)
    graph.graph.lint()
    graph.recompile()
    return replace(network, graph=graph, input_shape=tuple(shape)), kept


def _narrowest(given: list[Node], edge: list[Node]) -> tuple[Node, set[Node]]:
    """The last tensor that all that the rest reads is computed from, and what is computed from it on the way there."""
    for value in reversed(given):
        between, waiting = set[Node](), [node for node in edge if node is not value]
        while waiting:
            node = waiting.pop()
            if node is not value and node in given and node not in between:
                between.add(node)
                waiting.extend(node.all_input_nodes)
        if given[0] not in between and _is_of_each(value, given[0]):
            return value, between
    return given[0], set(given[1:])


def _size_of(graph: GraphModule, source: Node, like: Node) -> Node:
    """How many inputs there are, asked of the network's input."""
    with graph.graph.inserting_after(source):
        size = graph.graph.call_function(torch.ops.aten.sym_size.int, (source, 0))
    size.meta.update(like.meta)
    return size


def _fixed(network: Network, graph: GraphModule) -> tuple[set[Node], list[Node]]:
    """What no training changes, and of that, in order, what is computed from the input, the input first."""
    nodes = [*graph.graph.nodes]
    placeholders = [node for node in nodes if node.op == "placeholder"]
    held = {node for node, name in zip(placeholders, network.names, strict=False) if name in network.held}
    fixed, given = {*held, placeholders[-1]}, [placeholders[-1]]
    for node in nodes:
        before = node.all_input_nodes
        if node.op == "call_function" and before and not _varies(node) and all(each in fixed for each in before):
            fixed.add(node)
            if any(each in given for each in before):
                given.append(node)
    return fixed, given


def _varies(node: Node) -> bool:
    """Whether an operator is random, or normalizes by the minibatch that it sees."""
    by_batch = node.target is torch.ops.aten.batch_norm.default and node.args[5] is True
    return by_batch or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _is_of_each(value: Node, source: Node) -> bool:
    """Whether a value is a tensor whose first axis is that of the inputs."""
    one, other = (node.meta.get("val") for node in (value, source))
    if not isinstance(one, Tensor) or not isinstance(other, Tensor) or not one.ndim:
        return False
    return str(one.shape[0]) == str(other.shape[0])


def _overwrites(graph: GraphModule) -> bool:
    """Whether an operator writes to a tensor that comes of the input; running statistics do not."""
    found = {next(node for node in reversed(graph.graph.nodes) if node.op == "placeholder")}
    for node in graph.graph.nodes:
        if any(each in found for each in node.all_input_nodes):
            found.add(node)
            schema = getattr(node.target, "_schema", None)
            if schema is not None and schema.is_mutable and node.target is not torch.ops.aten.batch_norm.default:
                return True
    return False


def _up_to(network: Network, name: str) -> Callable[[Tensor], Tensor]:
    """Gives a value of the graph for some inputs."""
    graph = copy.deepcopy(network.graph)
    nodes = {node.name: node for node in graph.graph.nodes}
    (output,) = (node for node in nodes.values() if node.op == "output")
    output.args = ((nodes[name],),)
    _, given = _fixed(network, graph)
    for node in reversed([*graph.graph.nodes]):
        if node.op == "call_function" and not node.users and node not in given:
            graph.graph.erase_node(node)
    graph.recompile()
    tensors = {each: value.detach().clone() for each, value in {**network.params, **network.buffers}.items()}
    return lambda some: graph(*(tensors[each] for each in network.names), some)[0]
