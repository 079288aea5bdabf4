"""A network by name: a reference network, or the user's own by `package.module:name` or `file.py:name`."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from bitsback.errors import NetworkError, told
from bitsback.given.named import is_named, locate
from bitsback.given.reference import REFERENCE
from bitsback.given.weights import check_weights, load_weights

_GIVEN = ("input_shape", "outputs")


def resolve(
    name: str,
    input_shape: tuple[int, ...],
    outputs: int,
    options: Mapping[str, Any] | None = None,
    *,
    weights: Path | None = None,
) -> nn.Module:
    """Find or make a network; what it draws, it draws from PyTorch's own generator.

    Args:
        name: A key of `REFERENCE`, or what stands in a module or file: an instance; a subclass of `nn.Module`, called with
            the options; a factory, called with the options. A class or factory with a parameter `input_shape` or
            `outputs` gets it too, and one without gets both where it cannot be called without two more arguments.
        input_shape: The shape of one input.
        outputs: How many outputs the data needs.
        options: Passed on by name.
        weights: A file of published weights to start from.

    Returns:
        The network.

    Raises:
        NetworkError: There is no such network, it takes no such option, making it fails, or the weights do not fit.
    """
    given = dict(options or {})
    if name in REFERENCE:
        network = _made(name, lambda: REFERENCE[name](input_shape, outputs, **given))
    elif is_named(name):
        network = _own(name, locate(name, NetworkError, _makes_networks), (input_shape, outputs), given)
    else:
        raise NetworkError(
            f"there is no network {name!r}; there are {', '.join(REFERENCE)}, and your own as package.module:name or "
            "file.py:name"
        )
    if weights is not None:
        tensors = load_weights(weights)
        check_weights(network, tensors)
        network.load_state_dict(tensors, strict=False)  # strictness is `check_weights`'s, which allows old checkpoints
    return network


def _makes_networks(found: object) -> bool:
    is_class = isinstance(found, type) and issubclass(found, nn.Module)
    return is_class or isinstance(found, nn.Module) or inspect.isfunction(found)


def _own(name: str, found: Any, sizes: tuple[tuple[int, ...], int], options: dict[str, Any]) -> nn.Module:
    if isinstance(found, nn.Module):
        if options:
            raise NetworkError(f"'{name}' is a network already, and takes no options such as {next(iter(options))!r}")
        return found
    if not callable(found):
        raise NetworkError(f"'{name}' is {type(found).__name__}, but must be a network, its class, or a factory")
    return _made(name, _call(name, found, sizes, options))


def _call(
    name: str, factory: Callable[..., Any], sizes: tuple[tuple[int, ...], int], options: dict[str, Any]
) -> Callable[[], Any]:
    """The one way of calling a factory that its signature allows.

    Raises:
        NetworkError: It allows none.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError) as error:
        raise NetworkError(f"'{name}' is {factory!r}, but must be a network, its class, or a factory") from error
    named = {each: size for each, size in zip(_GIVEN, sizes, strict=True) if each in signature.parameters}
    ways = [((), {**named, **options})] if named else [((), options), (sizes, options)]
    reasons: list[str] = []
    for args, kwargs in ways:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            reasons.append(str(error))
        else:
            return lambda: factory(*args, **kwargs)
    raise NetworkError(f"'{name}' cannot be called with the options {options}: {reasons[0]}")


def _made(name: str, make: Callable[[], Any]) -> nn.Module:
    try:
        network = make()
    except NetworkError:
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything, a wrong option a TypeError
        raise NetworkError(f"the network '{name}' cannot be made: {told(error)}") from error
    if not isinstance(network, nn.Module):
        raise NetworkError(f"'{name}' gave {type(network).__name__}, but must give a torch.nn.Module")
    return network
