"""Named tensors with a few words beside them in one safetensors file, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from bitsback.durable import replace_file
from bitsback.errors import RunError, reason
from bitsback.given.params import Params


def write(path: Path, groups: Mapping[str, Params], words: Mapping[str, str]) -> None:
    """Writes beside `path` and renames.

    Args:
        path: the file.
        groups: tensors by name, by the name of their group.
        words: what else the file says.

    Raises:
        RunError: it cannot be written (a full disk); what was there before still is.
    """
    tensors = {f"{group}/{n}": t.detach().contiguous() for group, part in groups.items() for n, t in part.items()}
    try:
        replace_file(path, [safetensors.torch.save(tensors, dict(words))])
    except OSError as error:
        raise RunError(f"{path} cannot be written: {reason(error)}") from error


class TensorFile:
    """A file that `write` made, read whole.

    Attributes:
        words: what else the file says.

    Raises:
        RunError: the file is not there, damaged, or of another format.
    """

    def __init__(self, path: Path, format_name: str) -> None:
        if path.is_dir():
            raise RunError(f"{path} is a folder, and a file is needed")
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                self.words: dict[str, str] = file.metadata() or {}
                self._tensors: Params = {name: file.get_tensor(name) for name in list(file.keys())}
        except (SafetensorError, OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {reason(error)}") from error
        if self.words.get("format") != format_name:
            raise RunError(f"{path} is of the format {self.words.get('format')!r}; this version reads {format_name!r}")

    def group(self, name: str) -> dict[str, Tensor]:
        """The tensors of a group; {} where there are none."""
        start = f"{name}/"
        return {key.removeprefix(start): t for key, t in self._tensors.items() if key.startswith(start)}
