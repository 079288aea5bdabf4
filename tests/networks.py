"""Small networks of many kinds, and posteriors over them made up at random."""

import torch
from torch import Tensor, nn

from bitsback.given.network import Network
from bitsback.posterior.mean_field import MeanFieldPosterior


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


class Transposed(nn.Module):
    """A linear layer whose weight is computed from a param before it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.randn(5))
        self.last = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(nn.functional.linear(x, self.weight.t(), self.bias)))


class Attention(nn.Module):
    """A class token and positions, one transformer layer, and a linear head; five tokens of eight features."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 6, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1) + self.position
        return self.head(self.layer(tokens)[:, 0])


class Looked(nn.Module):
    """Looks up its weight by numbers in the inputs; three of them."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(10, 4), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.table((10 * x).long().abs() % 10).flatten(1))


class Convolutions(nn.Module):
    """Strides, groups, padding by name, and every kind of norm."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(2, 4, 3, groups=2, stride=2), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3, padding="same")),
            *(
                nn.InstanceNorm2d(4, affine=True),
                nn.Upsample(scale_factor=2),
                nn.AdaptiveMaxPool2d(2),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            ),
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def normed() -> nn.Module:
    """Linear layers around a batch norm and a layer norm; four features, three outputs."""
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 3))


def unsettle(module: nn.Module, seed: int = 0) -> nn.Module:
    """Gives norms other than their neutral params and statistics, so that leaving one out is seen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point() and (tensor.ndim < 2 or "norm" in name):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return module


def posterior_over(network: Network, std: float = 0.1) -> MeanFieldPosterior:
    """Independent normals around the network's own params, their standard deviations up to twice `std`."""
    generator = torch.Generator().manual_seed(0)
    means = {name: network.params[name] for name in network.bayesian}
    stds = {name: 2 * std * torch.rand(value.shape, generator=generator) for name, value in means.items()}
    fixed = {**{name: network.params[name] for name in network.deterministic}, **network.buffers}
    return MeanFieldPosterior(means, stds, fixed)
