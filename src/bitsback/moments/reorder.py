"""The same network with its operators in an order that suits Gaussians better."""

import copy

import torch
from torch.fx import GraphModule

_aten = torch.ops.aten
_RECTIFIERS = (_aten.relu.default, _aten.relu_.default)
_LARGEST = (_aten.max_pool1d.default, _aten.max_pool2d.default)


def pool_before_relu(graph: GraphModule) -> GraphModule:
    """A copy in which a max pool right after a ReLU comes before it.

    The two commute, so that the network is the same function; but of Gaussians the pool then sees normals instead of rectified
    ones, and the ReLU has as many elements less as the pool's stride says.
    """
    changed = copy.deepcopy(graph)
    for pool in list(changed.graph.nodes):
        relu = pool.args[0] if pool.target in _LARGEST else None
        if relu is None or relu.target not in _RECTIFIERS or len(relu.users) > 1:
            continue
        with changed.graph.inserting_after(pool):
            after = changed.graph.call_function(_aten.relu.default, (pool,))
        after.meta = dict(relu.meta)
        pool.replace_all_uses_with(after, delete_user_cb=lambda user, own=after: user is not own)
        pool.replace_input_with(relu, relu.args[0])
        changed.graph.erase_node(relu)
    changed.graph.lint()
    changed.recompile()
    return changed
