"""MC dropout: a network trained with dropout, and draws of it with units left out.

Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016. A unit that is left out before a layer is a column of that
layer's weights that is zero: a draw has the same units left out for all inputs, which is what a member of an ensemble is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from bitsback.errors import NetworkError
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Dropout, Posterior
from bitsback.posterior.dropout_posterior import DropoutPosterior
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.params_objective import ParamsObjective

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
    """Trains a network with its own dropout; draws leave units out as often as it did."""

    def starting_at(self, posterior: Posterior) -> "McDropout":
        """Itself: what is trained is a point."""
        del posterior
        return self

    def objective(self, network: Network, likelihood: Likelihood, masks: Params) -> "DropoutObjective":
        """The mean negative log likelihood, with the network's dropout.

        Raises:
            NetworkError: the network has no dropout, or one whose units are no inputs of a layer.
        """
        found = dropped(network)
        fixed = [name for name in found if name not in network.bayesian]
        if fixed:
            raise NetworkError(
                f"dropout leaves out inputs of '{fixed[0]}', which is the same in all samples, or no weight"
            )
        return DropoutObjective(network, likelihood, masks)


class DropoutObjective(ParamsObjective):
    """The mean negative log likelihood of params, under dropout."""

    def posterior(self, variables: Params, buffers: Params) -> DropoutPosterior:
        """The values reached, and what draws leave out."""
        reached = super().posterior(variables, buffers)
        values = {name: each.mean for name, each in reached.marginals().items()}
        return DropoutPosterior(values, reached.fixed, dropped(self.network))


def dropped(network: Network) -> dict[str, Dropout]:
    """The weights before which a network, traced for training, leaves units out.

    Raises:
        NetworkError: there is no dropout, or one whose units are no inputs of a linear or convolution layer.
    """
    nodes = list(network.graph.graph.nodes)
    placeholders = [node for node in nodes if node.op == "placeholder"]
    names = dict(zip(placeholders, network.names, strict=False))
    found: dict[str, Dropout] = {}
    for node in nodes:
        for layer in _read_by(node) if node.target in _UNITS | _CHANNELS and node.args[2] else ():
            weight = _weight(node, layer, names)
            users = sum(len(each.users) for each, name in names.items() if name == weight)
            if users > 1:
                raise NetworkError(f"'{weight}' is used {users} times, and dropout stands before one use of it")
            found[weight] = _dropout(node, weight, network.params[weight].shape[1])
            others = {each.units for each in found.values() if each.group == node.name}
            if len(others) > 1:
                raise NetworkError(
                    f"a dropout stands before '{weight}' and a layer of another width, which differ in units"
                )
    if not found:
        raise NetworkError("the network has no dropout, which MC dropout draws from; give it nn.Dropout layers")
    return found


def _read_by(node: Node) -> Iterator[Node]:
    for user in node.users:
        if user.target in _THROUGH:
            yield from _read_by(user)
        else:
            yield user


def _weight(dropout: Node, layer: Node, names: dict[Node, str]) -> str:
    weight = layer.args[1] if len(layer.args) > 1 else None
    if dropout.target not in _LAYERS.get(layer.target, set()) or not isinstance(weight, Node) or weight not in names:
        raise NetworkError(
            f"units are left out before {layer.target}, and MC dropout needs a linear layer there, or whole channels "
            "(nn.Dropout2d) and a convolution"
        )
    return names[weight]


def _dropout(node: Node, weight: str, inputs: int) -> Dropout:
    rate = float(node.args[1])  # pyright: ignore[reportArgumentType]
    units = int(node.meta["val"].shape[1]) if node.target in _CHANNELS else inputs
    if rate == 1:
        raise NetworkError(f"a dropout leaves out all inputs of '{weight}'; its rate must be below 1")
    if inputs % units:
        raise NetworkError(f"dropout stands before '{weight}', a convolution in groups, of which MC dropout draws none")
    return Dropout(node.name, units, rate)
