"""The point form: the network at the posterior mean. One pass, no knowledge uncertainty."""

from torch import Tensor, nn

from bitsback.form.program import Program, Units, buffer_names, build
from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.contract import Posterior, mean


def point(network: Network, posterior: Posterior, units: Units) -> Program:
    """The program of the network at the posterior mean.

    Raises:
        ExportError: it cannot be exported.
    """
    return build("point", _At(network, mean(posterior)), 1, units, network.input_shape)


class _At(nn.Module):
    def __init__(self, network: Network, tensors: Params) -> None:
        super().__init__()
        self.network = network
        self.names = buffer_names(network.names)
        for name, attribute in self.names.items():
            self.register_buffer(attribute, tensors[name].detach().clone())

    def forward(self, inputs: Tensor) -> Tensor:
        tensors = {name: getattr(self, attribute) for name, attribute in self.names.items()}
        return self.network(tensors, inputs).unsqueeze(0)
