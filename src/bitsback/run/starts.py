"""Where each of several members or chains begins that are fitted from Python."""

from torch import nn

from bitsback.given.network import Network
from bitsback.given.params import Params
from bitsback.posterior.inference import Inference, Sampling
from bitsback.posterior.starts import drawn_anew
from bitsback.run.fitted import FittedNetwork, chain_ends, check_same_params


def starts_of(
    module: nn.Module, network: Network, method: Inference, seed: int, start: FittedNetwork | None
) -> list[Params]:
    """Drawn anew, or the ends of an earlier result's if it has as many; none where all begin at the same place.

    Args:
        module: What is fitted.
        network: The same, traced.
        method: How.
        seed: Decides what is drawn.
        start: The earlier result, if there is one.

    Raises:
        NetworkError: The earlier result is of other params, or the weights of a layer cannot be drawn anew.
    """
    if start is not None:
        check_same_params(network, start.network)
    count = method.chains if isinstance(method, Sampling) else 1
    if count == 1:
        return []
    if start is None:
        return drawn_anew(module, count, seed)
    ends = chain_ends(network, start.posterior)
    return ends if len(ends) == count else []
