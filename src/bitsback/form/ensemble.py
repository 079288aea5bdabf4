"""The ensemble form: S members drawn from the posterior, stacked, and the traced graph mapped over them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bitsback.errors import RecipeError
from bitsback.form.contract import Said
from bitsback.form.one_by_one import asked, members_of
from bitsback.form.outputs import VOTES, Reading
from bitsback.form.program import Members, Program, Units, buffer_names, build
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.given.stacked import Stack, StackedInterpreter
from bitsback.posterior.contract import Posterior


@dataclass(frozen=True)
class EnsembleForm:
    """The average over draws from the posterior.

    Attributes:
        count: how many draws, at least 2.
        seed: decides which.
    """

    count: int = 20
    seed: int = 0

    @property
    def name(self) -> str:
        """It is called "ensemble"."""
        return "ensemble"

    @property
    def said(self) -> Said:
        """How many members it has."""
        return {"members": self.count}

    @property
    def settings(self) -> Said:
        """How many members, and which."""
        return {"count": self.count, "seed": self.seed}

    @property
    def reading(self) -> Reading:
        """Members vote."""
        return VOTES

    def program(self, network: Network, posterior: Posterior, units: Units) -> Program:
        """The program that maps the graph over stacked draws.

        Raises:
            RecipeError: fewer than two members are asked for, or all would be the same for want of a random weight.
            ExportError: an operator of the network cannot be mapped over members, or the export fails.
        """
        stacked = _Stacked(network, self._drawn(posterior), posterior.fixed)
        stacked(torch.zeros(2, *network.input_shape))
        return build("ensemble", stacked, self.count, units, network.input_shape)

    def members(self, network: Network, posterior: Posterior, _units: Units) -> Members:
        """The plain network, asked with one draw after the other."""
        return asked(network, members_of(posterior.fixed, self._drawn(posterior)))

    def held(self, posterior: Posterior) -> dict[str, tuple[Tensor, ...]]:
        """The draws of each random param, stacked."""
        return {name: (stack,) for name, stack in self._drawn(posterior).items()}

    def _drawn(self, posterior: Posterior) -> Params:
        if self.count < 2:
            raise RecipeError(f"an ensemble of {self.count} member(s) is asked for; it needs at least 2")
        drawn = posterior.sample(self.count, torch.Generator().manual_seed(self.seed))
        if not drawn:
            raise RecipeError(
                f"an ensemble of {self.count} members is asked for, and no weight is random; use the point form"
            )
        return drawn


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
