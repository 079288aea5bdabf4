"""The ensemble form: S members drawn from the posterior, stacked, and the traced graph mapped over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from bitsback.errors import RecipeError
from bitsback.form.contract import Said
from bitsback.form.members import PRECISIONS, Precision, StoredStack, stored, unstored
from bitsback.form.one_by_one import asked, members_of
from bitsback.form.outputs import VOTES, Reading
from bitsback.form.program import Members, Program, Units, buffer_names, build
from bitsback.form.swapped import swapped
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.given.stacked import Stack, StackedInterpreter
from bitsback.posterior.contract import Posterior
from bitsback.settings import check_among

Layout = Literal["stacked", "swapped"]


@dataclass(frozen=True)
class EnsembleForm:
    """The average over draws from the posterior.

    Attributes:
        count: how many draws, at least 2.
        seed: decides which.
        member_weights: how they are stored, see `form.members`.
        layout: "stacked" in one graph, or "swapped" in and out of the graph of one, see `form.swapped`.
    """

    count: int = 20
    seed: int = 0
    member_weights: Precision = "float32"
    layout: Layout = "stacked"

    @property
    def name(self) -> str:
        """It is called "ensemble"."""
        return "ensemble"

    @property
    def said(self) -> Said:
        """How many members it has, and how they are stored."""
        return {"members": self.count, **self._as_laid}

    @property
    def settings(self) -> Said:
        """How many members, which, and how they are stored."""
        return {"count": self.count, "seed": self.seed, **self._as_laid}

    @property
    def reading(self) -> Reading:
        """Members vote."""
        return VOTES

    def program(self, network: Network, posterior: Posterior, units: Units) -> Program:
        """The program that maps the graph over stacked draws.

        Raises:
            RecipeError: fewer than two members are asked for, they are to be stored in an unknown way, or all would be the same
                for want of a random weight.
            ExportError: an operator of the network cannot be mapped over members.
        """
        if self.layout == "swapped":
            return swapped(network, self._stored(posterior), posterior.fixed, units)
        stacked = StackedMembers(network, self._stored(posterior), posterior.fixed)
        stacked(torch.zeros(2, *network.input_shape))
        return build("ensemble", stacked, self.count, units, network.input_shape)

    def members(self, network: Network, posterior: Posterior, _units: Units) -> Members:
        """The plain network, asked with one draw after the other."""
        return asked(network, members_of(posterior.fixed, self._draws(posterior)))

    def held(self, posterior: Posterior) -> dict[str, tuple[Tensor, ...]]:
        """The draws of each random param as they are stored, stacked."""
        return {name: (stack,) for name, stack in self._draws(posterior).items()}

    @property
    def _as_laid(self) -> Said:
        usual = EnsembleForm()
        said = {"member_weights": self.member_weights, "layout": self.layout}
        return {name: each for name, each in said.items() if each != getattr(usual, name)}

    def _draws(self, posterior: Posterior) -> Params:
        return {name: unstored(each).tensor for name, each in self._stored(posterior).items()}

    def _stored(self, posterior: Posterior) -> dict[str, Stack | StoredStack]:
        check_among("member_weights", self.member_weights, PRECISIONS)
        check_among("layout", self.layout, get_args(Layout))
        if self.count < 2:
            raise RecipeError(f"an ensemble of {self.count} member(s) is asked for; it needs at least 2")
        drawn = posterior.sample(self.count, torch.Generator().manual_seed(self.seed))
        if not drawn:
            raise RecipeError(
                f"an ensemble of {self.count} members is asked for, and no weight is random; use the point form"
            )
        return stored(drawn, posterior.marginals(), self.member_weights)


class StackedMembers(nn.Module):
    """The graph, mapped over the leading axis of the drawn tensors; fixed ones are shared by all members."""

    def __init__(self, network: Network, drawn: Mapping[str, Stack | StoredStack], fixed: Params) -> None:
        super().__init__()
        self.network = network
        self.drawn = buffer_names((name for name in network.names if name in drawn), "drawn__")
        self.scales = buffer_names((name for name, each in drawn.items() if isinstance(each, StoredStack)), "scale__")
        self.shared = buffer_names((name for name in network.names if name not in drawn), "shared__")
        for name, attribute in self.drawn.items():
            match drawn[name]:
                case StoredStack(numbers, scale):
                    self.register_buffer(attribute, numbers)
                    self.register_buffer(self.scales[name], scale)
                case Stack(tensor):
                    self.register_buffer(attribute, tensor.detach().clone())
        for name, attribute in self.shared.items():
            self.register_buffer(attribute, fixed[name].detach().clone())

    @property
    def values(self) -> dict[str, Tensor | Stack | StoredStack]:
        """Every tensor that the network takes, by name, as it is stored."""
        found: dict[str, Tensor | Stack | StoredStack] = {
            name: getattr(self, buffer) for name, buffer in self.shared.items()
        }
        for name, buffer in self.drawn.items():
            tensor = getattr(self, buffer)
            found[name] = (
                StoredStack(tensor, getattr(self, self.scales[name])) if name in self.scales else Stack(tensor)
            )
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardized inputs `[B, *shape]` to outputs `[S, B, C]`."""
        values = self.values
        tensors = (unstored(values[name]) for name in self.network.names)
        outputs = StackedInterpreter(self.network.graph).run(*tensors, inputs)[0]
        return outputs.tensor
