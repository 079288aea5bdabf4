"""What a form is: one way to predict, with its settings, for any network and any posterior."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from bitsback.form.outputs import Reading
from bitsback.form.program import Members, Program, Units
from bitsback.given.network import Network
from bitsback.posterior.contract import Posterior

Said = Mapping[str, int | str]


class Form(Protocol):
    """A form with its settings, a frozen dataclass: two that are equal give the same program of the same posterior."""

    @property
    def name(self) -> str:
        """What it is called: "point", "ensemble", ..."""
        ...

    @property
    def said(self) -> Said:
        """The settings that a reader of a figure needs."""
        ...

    @property
    def settings(self) -> Said:
        """All that tells its programs from those of other settings, as plain data."""
        ...

    @property
    def reading(self) -> Reading:
        """How a classification is read from its members' outputs."""
        ...

    def program(self, network: Network, posterior: Posterior, units: Units, /) -> Program:
        """The program of a network.

        Raises:
            RecipeError: a setting is out of range, or the posterior has nothing that the form needs.
            ExportError: an operator of the network is one that the form cannot have.
        """
        ...

    def members(self, network: Network, posterior: Posterior, units: Units, /) -> Members:
        """What the program's members answer, in PyTorch and without an export."""
        ...

    def held(self, posterior: Posterior, /) -> dict[str, tuple[Tensor, ...]]:
        """The tensors that the program holds of each random param, by param name."""
        ...
