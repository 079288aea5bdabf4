"""Published weights: a checkpoint file as a dict of tensors, and whether they fit a network.

Only tensors are read: safetensors files, or PyTorch checkpoints through the loader that accepts nothing but tensors and
plain containers (`weights_only=True`).
"""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from bitsback.errors import NetworkError

_WRAPPER = "state_dict"
_PREFIX = "module."
_COUNTER = "num_batches_tracked"


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint; a "state_dict" around it is unwrapped and a "module." before every name is taken off.

    Args:
        path: A safetensors file, by its name, or else a PyTorch checkpoint.

    Returns:
        The tensors by name, on the processor.

    Raises:
        NetworkError: The file is missing or damaged, holds something else than tensors, or a value is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise NetworkError(f"the weights file {path} does not exist")
    try:
        content = _read(path)
    except Exception as error:  # damaged bytes make the two loaders raise many kinds
        said = " ".join(str(error).split())[:200] or type(error).__name__
        reason = "it is none, or holds more than tensors" if isinstance(error, UnpicklingError) else said
        raise NetworkError(f"{path} cannot be read as a safetensors file or PyTorch checkpoint: {reason}") from error
    if isinstance(content, Mapping) and isinstance(content.get(_WRAPPER), Mapping):
        content = content[_WRAPPER]
    return _tensors(content, path)


def check_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not those of a network: `network.load_state_dict(weights)` succeeds after this.

    Args:
        network: The network.
        weights: Tensors by name. The counters of batch normalization may be missing, as in old checkpoints.

    Raises:
        NetworkError: A tensor is missing, has no place, or has another shape.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in weights and not name.endswith(_COUNTER)]
    unknown = [name for name in weights if name not in own]
    if missing or unknown:
        raise NetworkError(
            f"the weights do not fit the network (missing: {_some(missing)}; without a place: {_some(unknown)})"
        )
    for name, tensor in own.items():
        if name in weights and weights[name].shape != tensor.shape:
            raise NetworkError(
                f"the weights do not fit the network: '{name}' has shape {tuple(weights[name].shape)}, "
                f"but the network has {tuple(tensor.shape)}"
            )


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path, device="cpu")
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not content:
        raise NetworkError(f"{path} holds {type(content).__name__}, but must hold tensors by name")
    bare = all(str(name).startswith(_PREFIX) for name in content)
    weights: dict[str, Tensor] = {}
    for name, tensor in content.items():
        if not isinstance(tensor, Tensor):
            raise NetworkError(f"'{name}' in {path} is {type(tensor).__name__}, but must be a tensor")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NetworkError(f"'{name}' in {path} holds NaN or infinite values")
        weights[str(name).removeprefix(_PREFIX) if bare else str(name)] = tensor.detach()
    return weights


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more if names else "none"
