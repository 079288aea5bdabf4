"""Masks that a recipe names in place of a policy: a file of them, or the run whose pruned network has them."""

from pathlib import Path

from bitsback.errors import RunError
from bitsback.given.params import Params
from bitsback.given.weights import load_weights
from bitsback.posterior import store
from bitsback.run import folder


def read(path: Path) -> Params:
    """Zeros and ones by param name.

    Args:
        path: A safetensors file of them, or the folder of a run that was compressed.

    Raises:
        NetworkError: The file is missing or damaged.
        RunError: The run has no pruned network, or what it has is damaged.
    """
    if not path.is_dir():
        return load_weights(path)
    masks = store.load(folder.open_run(path).need("compressed", "compress")).masks
    if not masks:
        raise RunError(f"{path} is the folder of a run in which nothing was pruned; it has no masks")
    return masks
