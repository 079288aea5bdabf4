"""What positions have in common, scaled as their variance is."""

import torch
from torch import Tensor, nn

from bitsback.given.network import trace
from bitsback.moments.check import propagate
from bitsback.moments.correlated import CorrelatedInterpreter
from bitsback.moments.rules import rules
from tests.networks import posterior_over


class Averaged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.first(inputs).mean((-1, -2)))


def test_a_factor_scales_what_positions_have_in_common_too() -> None:
    network, inputs = trace(Averaged(), (1, 6, 6)), torch.randn(2, 1, 6, 6)
    convolution = torch.ops.aten.conv2d.default

    def average(factor: float) -> Tensor:
        def chosen(node: torch.fx.Node, _: object) -> float:
            return factor if node.target is convolution else 1.0

        interpreter = CorrelatedInterpreter(network.graph, rules(), chosen)
        found = propagate(network, posterior_over(network), interpreter, inputs)
        return next(value.var for node, value in found.items() if node.target is torch.ops.aten.mean.dim)

    torch.testing.assert_close(average(3.0), 3 * average(1.0))
