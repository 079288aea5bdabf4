"""What takes most of the time of these tests and gives the same each time, done once in a process.

Hundreds of tests trace a reference network or one of PyTorch's own layers, and dozens compile the same functions. Nothing of
this is in the package: a run traces its network once.
"""

import functools
from typing import Any

import torch
import tvm
from torch import nn
from torch.onnx._internal.exporter._registration import ONNXRegistry

from bitsback.given import network
from bitsback.lower.build.native import library

_KNOWN = ("torch.nn.", "bitsback.given.reference")
_compile, _export = library.linked, network._export


def begin() -> None:
    """Put what remembers in the place of what does not."""
    # For every export PyTorch's exporter parses the sources of some five hundred operators anew, which never change: that is
    # nearly half of the time of a small network's export.
    ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    # For every export it looks up all of some two thousand operators, so that they are there, which they then are.
    torch._export.utils._materialize_cpp_cia_ops = functools.cache(torch._export.utils._materialize_cpp_cia_ops)
    network._export = _exported
    library.linked = _linked


def _exported(module: Any, input_shape: tuple[int, ...], train: bool) -> Any:
    """An export of a network whose classes are known, and tell by their attributes what they do."""
    parts = [*module.modules()] if isinstance(module, nn.Module) else []
    if not parts or not all(type(part).__module__.startswith(_KNOWN) for part in parts):
        return _export(module, input_shape, train)
    names = network._names_without_ties(module)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    shapes = [(name, tuple(tensor.shape), tensor.dtype, tensor.requires_grad) for name, tensor in tensors]
    return _known(_Module(module, repr([_told(part) for part in parts]), repr((names, shapes))), input_shape, train)


def _told(part: nn.Module) -> tuple[str, dict[str, Any]]:
    public = {name: value for name, value in vars(part).items() if not name.startswith("_") and name != "training"}
    return repr(part), public


class _Module:
    """A module that is another's equal where both are told in the same words."""

    def __init__(self, module: nn.Module, *words: str) -> None:
        self.module, self.words = module, words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Module) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)


@functools.cache
def _known(of: _Module, input_shape: tuple[int, ...], train: bool) -> Any:
    return _export(of.module, input_shape, train)


_libraries: dict[tuple[str, str], bytes] = {}


def _linked(functions: Any, target: str) -> bytes:
    """A library, compiled once: its functions are told by their text."""
    key = tvm.ir.save_json(tvm.IRModule(dict(functions))), target
    if key not in _libraries:
        _libraries[key] = _compile(functions, target)
    return _libraries[key]
