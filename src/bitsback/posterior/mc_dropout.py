"""MC dropout: a network trained with dropout, and draws of it with units left out.

Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016. A unit that is left out before a layer is a column of that
layer's weights that is zero: a draw has the same units left out for all inputs, which is what a member of an ensemble is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from bitsback.errors import NetworkError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior
from bitsback.posterior.course import Course
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.sampled import SampledObjective, gathered
from bitsback.posterior.samples import Samples
from bitsback.settings import check_seed, check_whole

_aten = torch.ops.aten
_UNITS = {_aten.dropout.default, _aten.dropout_.default}
_CHANNELS = {_aten.feature_dropout.default, _aten.feature_dropout_.default}
_THROUGH = {
    _aten.relu.default,
    _aten.relu_.default,
    _aten.flatten.using_ints,
    _aten.view.default,
    _aten.reshape.default,
}
"""What may stand between a dropout and its layer: of a unit that is zero it leaves a zero, and scales with it."""
_LAYERS: dict[Any, set[Any]] = {
    _aten.linear.default: _UNITS | _CHANNELS,
    _aten.conv1d.default: _CHANNELS,
    _aten.conv2d.default: _CHANNELS,
}


@dataclass(frozen=True)
class McDropout:
    """Trains a network with its own dropout, and draws which units are left out.

    Attributes:
        samples: how many draws the posterior is made of, at least 2.
        seed: decides them.
    """

    samples: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("samples", self.samples, 2)
        check_seed(self.seed)

    @property
    def chains(self) -> int:
        """One: the draws are independent."""
        return 1

    def starting_at(self, posterior: Posterior) -> "McDropout":
        """Itself: what is trained is a point."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> SampledObjective:
        """The mean negative log likelihood, with the network's dropout.

        Raises:
            NetworkError: the network has no dropout, or one whose units are no inputs of a layer.
        """
        fixed = [each.weight for each in dropped(network) if each.weight not in network.bayesian]
        if fixed:
            raise NetworkError(
                f"dropout leaves out inputs of '{fixed[0]}', which is the same in all samples, or no weight"
            )
        return SampledObjective((network, likelihood, masks), Course(burn_in=0.0))

    def gathered(self, network: Network, kept: Params, masks: Params) -> Samples:
        """Draws of the network that was trained."""
        one = gathered(network, kept, masks, 1)
        generator = torch.Generator().manual_seed(self.seed)
        weights = {name: each.expand(self.samples, *each.shape[1:]) for name, each in one.weights.items()}
        for name, factors in _factors(network, self.samples, generator).items():
            weights[name] = weights[name] * factors
        others = {name: each.expand(self.samples, *each.shape[1:]) for name, each in one.others.items()}
        return Samples({name: each.contiguous() for name, each in weights.items()}, others, one.constant)


@dataclass(frozen=True)
class Dropped:
    """A weight whose inputs are left out by one dropout.

    Attributes:
        weight: its name.
        dropout: the node.
        channels: whether whole channels are left out.
    """

    weight: str
    dropout: Node
    channels: bool

    @property
    def rate(self) -> float:
        """The share that is left out."""
        found = self.dropout.args[1]
        assert isinstance(found, float)
        return found


def dropped(network: Network) -> list[Dropped]:
    """The weights before which a network, traced for training, leaves units out.

    Raises:
        NetworkError: there is no dropout, or one whose units are no inputs of a linear or convolution layer.
    """
    nodes = list(network.graph.graph.nodes)
    placeholders = [node for node in nodes if node.op == "placeholder"]
    names = dict(zip(placeholders, network.names, strict=False))
    found = [
        _layer(node, layer, names) for node in nodes if node.target in _UNITS | _CHANNELS for layer in _read_by(node)
    ]
    if not found:
        raise NetworkError("the network has no dropout, which MC dropout draws from; give it nn.Dropout layers")
    for each in found:
        users = [user for node, name in names.items() if name == each.weight for user in node.users]
        if len(users) > 1:
            raise NetworkError(f"'{each.weight}' is used {len(users)} times, and dropout stands before one use of it")
    return found


def _read_by(node: Node) -> Iterator[Node]:
    for user in node.users:
        if user.target in _THROUGH:
            yield from _read_by(user)
        else:
            yield user


def _layer(dropout: Node, layer: Node, names: dict[Node, str]) -> Dropped:
    weight = layer.args[1] if len(layer.args) > 1 else None
    if dropout.target not in _LAYERS.get(layer.target, set()) or not isinstance(weight, Node) or weight not in names:
        raise NetworkError(
            f"units are left out before {layer.target}, and MC dropout needs a linear layer there, or whole channels "
            "(nn.Dropout2d) and a convolution"
        )
    return Dropped(names[weight], dropout, dropout.target in _CHANNELS)


def _factors(network: Network, count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """What the columns of each such weight are multiplied by, `[S, 1, I, ...]`: 0, or what makes up for it."""
    drawn: dict[Node, Tensor] = {}
    found = {}
    for each in dropped(network):
        shape = network.params[each.weight].shape
        value = each.dropout.meta["val"]
        units = int(value.shape[1]) if each.channels else shape[1]
        if each.dropout not in drawn:
            kept = torch.rand(count, units, generator=generator) >= each.rate
            drawn[each.dropout] = kept.float() / (1 - each.rate)
        columns = drawn[each.dropout]
        if units != shape[1]:  # channels, flattened
            columns = columns.repeat_interleave(shape[1] // units, 1)
        found[each.weight] = columns.reshape(count, 1, shape[1], *[1] * (len(shape) - 2))
    return found
