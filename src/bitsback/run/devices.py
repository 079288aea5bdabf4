"""The devices that a user can name, and whether the compiler is there that makes libraries for them."""

import importlib.util

from bitsback.errors import MissingExtraError, RecipeError
from bitsback.measure.native import Bench, Here


def bench(device: str) -> Bench:
    """Where native libraries are timed.

    Args:
        device: `cpu`.

    Raises:
        RecipeError: There is no such device, or none that can be timed.
    """
    if device == "cpu":
        return Here()
    if device.startswith("emulated-"):
        raise RecipeError(
            f"{device} is no device that can be timed: an emulator is fast where a processor is slow; name cpu"
        )
    raise RecipeError(f"there is no device {device!r:.80}; there is cpu")


def need_compiler() -> None:
    """Refuse what cannot be compiled here.

    Raises:
        MissingExtraError: TVM is not installed.
    """
    if importlib.util.find_spec("tvm") is None:
        raise MissingExtraError('native libraries are compiled by TVM; install it with pip install "bitsback[compile]"')
