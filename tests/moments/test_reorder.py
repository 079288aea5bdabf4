import torch
from torch import Tensor, nn

from bitsback.given.network import trace
from bitsback.moments.reorder import pool_before_relu

_aten = torch.ops.aten


class Twice(nn.Module):
    """One ReLU that only a pool sees, and one that something else sees too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3), nn.Linear(2, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        once = nn.functional.max_pool2d(torch.relu(self.first(inputs)), 3, 2, 1)
        seen = torch.relu(self.second(once))
        return self.last((nn.functional.max_pool2d(seen, 2).mean((2, 3))) + seen.mean((2, 3)))


def order(graph: torch.fx.GraphModule) -> list[object]:
    wanted = (_aten.relu.default, _aten.max_pool2d.default)
    return [node.target for node in graph.graph.nodes if node.target in wanted]


def test_a_pool_after_a_relu_comes_before_it_and_the_network_is_the_same_function() -> None:
    network = trace(Twice(), (1, 14, 14))
    before = order(network.graph)
    changed = pool_before_relu(network.graph)
    relu, pool = _aten.relu.default, _aten.max_pool2d.default
    assert before == [relu, pool, relu, pool]
    assert order(changed) == [pool, relu, relu, pool]
    assert order(network.graph) == before  # the network's own graph is left as it is
    inputs = torch.randn(4, 1, 14, 14)
    tensors = [network.params[name] for name in network.names]
    torch.testing.assert_close(changed(*tensors, inputs)[0], network.graph(*tensors, inputs)[0])
