"""The ensemble form: S members drawn from the posterior, stacked, and the traced graph mapped over them."""

import torch
from torch import Tensor, nn

from bitsback.errors import RecipeError
from bitsback.form.program import Program, Units, buffer_names, build
from bitsback.form.stacked import Stack, StackedInterpreter
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior


def ensemble(network: Network, posterior: Posterior, units: Units, members: int, generator: torch.Generator) -> Program:
    """The program that averages `members` draws from the posterior.

    Raises:
        RecipeError: fewer than two members are asked for, or all would be the same for want of a random weight.
        ExportError: an operator of the network cannot be mapped over members, or the export fails.
    """
    if members < 2:
        raise RecipeError(f"an ensemble of {members} member(s) is asked for; it needs at least 2")
    drawn = posterior.sample(members, generator)
    if not drawn:
        raise RecipeError(f"an ensemble of {members} members is asked for, and no weight is random; use the point form")
    stacked = _Stacked(network, drawn, posterior.fixed)
    stacked(torch.zeros(2, *network.input_shape))
    return build("ensemble", stacked, members, units, network.input_shape)


class _Stacked(nn.Module):
    """The graph, mapped over the leading axis of the drawn tensors; fixed ones are shared by all members."""

    def __init__(self, network: Network, drawn: Params, fixed: Params) -> None:
        super().__init__()
        self.network = network
        self.drawn = buffer_names((name for name in network.names if name in drawn), "drawn__")
        self.shared = buffer_names((name for name in network.names if name not in drawn), "shared__")
        for name, attribute in self.drawn.items():
            self.register_buffer(attribute, drawn[name].detach().clone())
        for name, attribute in self.shared.items():
            self.register_buffer(attribute, fixed[name].detach().clone())

    def forward(self, inputs: Tensor) -> Tensor:
        values: dict[str, Tensor | Stack] = {name: getattr(self, buffer) for name, buffer in self.shared.items()}
        values |= {name: Stack(getattr(self, buffer)) for name, buffer in self.drawn.items()}
        tensors = (values[name] for name in self.network.names)
        outputs = StackedInterpreter(self.network.graph).run(*tensors, inputs)[0]
        return outputs.tensor
