"""Whether the compiler is there. It is TVM, which carries what is asked of devices, too."""

import importlib.util

from bitsback.errors import MissingExtraError


def need_compiler() -> None:
    """Refuse what cannot be done without TVM.

    Raises:
        MissingExtraError: It is not installed.
    """
    if importlib.util.find_spec("tvm") is None:
        raise MissingExtraError(
            'libraries are compiled, and devices reached, through TVM; install it with pip install "bitsback[compile]"'
        )
