"""The point form: the network at the posterior mean. One pass, no knowledge uncertainty."""

from dataclasses import dataclass

from torch import Tensor, nn

from bitsback.form.contract import Said
from bitsback.form.outputs import VOTES, Reading
from bitsback.form.program import Members, Program, Units, buffer_names, build
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior


@dataclass(frozen=True)
class PointForm:
    """The network at the posterior mean."""

    @property
    def name(self) -> str:
        """It is called "point"."""
        return "point"

    @property
    def said(self) -> Said:
        """Nothing: it has no settings."""
        return {}

    @property
    def settings(self) -> Said:
        """None."""
        return {}

    @property
    def reading(self) -> Reading:
        """Members vote."""
        return VOTES

    def program(self, network: Network, posterior: Posterior, units: Units) -> Program:
        """The program of the network at the posterior mean."""
        return build("point", self.members(network, posterior, units), 1, units, network.input_shape)

    def members(self, network: Network, posterior: Posterior, _units: Units) -> Members:
        """The network at the mean, as the only member."""
        return _At(network, posterior.centre())

    def held(self, posterior: Posterior) -> dict[str, tuple[Tensor, ...]]:
        """The mean of each random param."""
        return {name: (marginal.mean,) for name, marginal in posterior.marginals().items()}


class _At(nn.Module):
    def __init__(self, network: Network, tensors: Params) -> None:
        super().__init__()
        self.network = network
        self.names = buffer_names(network.names)
        for name, attribute in self.names.items():
            self.register_buffer(attribute, tensors[name].detach().clone())

    @property
    def values(self) -> Params:
        """Every tensor that the network takes, by name."""
        return {name: getattr(self, attribute) for name, attribute in self.names.items()}

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(self.values, inputs).unsqueeze(0)
