"""A device's own side of a measurement that another machine asks for.

It holds functions with their memory, times them in turns as this machine's are, and answers: so that no network is in a figure.
What crosses the network is text, numbers and bytes; `order` writes what `Workbench.put` reads.
"""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitsback.errors import DeviceError
from bitsback.lower.run.native.library import Call, Library, Memory, functions, memory
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.targets import TARGETS, runnable
from bitsback.lower.run.onnx import Outputs
from bitsback.measure.device import cpu_model
from bitsback.measure.latency import LatencySettings, rounds
from bitsback.measure.native import check_batch

PREFIX = "bitsback.device."
"""Of the names under which a device offers what a `Workbench` does."""


@dataclass(frozen=True)
class Description:
    """What a device says of itself.

    Attributes:
        name: The processor.
        machine: The architecture, as `platform.machine` calls it.
        targets: The keys of `TARGETS` that run there, the best first.
    """

    name: str
    machine: str
    targets: tuple[str, ...]


class Workbench:
    """Functions with their memory, and what can be done with them."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    @property
    def offers(self) -> dict[str, Callable[..., Any]]:
        """What can be asked of it from afar, by name."""
        asked = (self.describe, self.clear, self.put, self.fill, self.time, self.answer)
        return {PREFIX + each.__name__: each for each in asked}

    def describe(self) -> str:
        """This machine as JSON."""
        return json.dumps({"name": cpu_model(), "machine": platform.machine(), "targets": runnable()})

    def clear(self) -> None:
        """Forget all functions."""
        self._calls.clear()

    def put(self, said: str, code: bytes, constants: bytes) -> None:
        """Load one more function: what `order` wrote.

        Raises:
            ArtifactError: It is for another processor, or cannot be loaded.
        """
        content = json.loads(said)
        (function,) = functions(content["target"], bytes(code), [content["name"]])
        numbers = np.frombuffer(bytes(constants), np.float32)
        self._calls.append(
            Call(function, Memory(tuple(content["inputs"]), content["outputs"], numbers, content["scratch"]))
        )

    def fill(self, inputs: bytes) -> None:
        """Give every function the same batch, raw float32."""
        for call in self._calls:
            call.input[:] = np.frombuffer(bytes(inputs), np.float32).reshape(call.input.shape)

    def time(self, repeats: int, warmup: int, first: int) -> bytes:
        """Seconds of single calls in turns, float64 `[repeats, functions]`; `first` rounds were there before."""
        return rounds(self._calls, LatencySettings(warmup=warmup, repeats=repeats), first=first).tobytes()

    def answer(self, which: int) -> bytes:
        """What one function answers: mean, total, data and knowledge one after another, float32."""
        call = self._calls[which]
        call()
        return b"".join(each.tobytes() for each in call.outputs)


def order(plan: Plan, library: Library, batch: int) -> tuple[str, bytes, bytes]:
    """One function of a library, as `Workbench.put` takes it.

    Raises:
        ArtifactError: It has none for this batch.
    """
    check_batch(library.target, (each.batch for each in library.entries), batch)
    entry = next(each for each in library.entries if each.batch == batch)
    needs = memory(plan, entry)
    said = {
        "target": library.target,
        "name": entry.name,
        "inputs": needs.inputs,
        "outputs": needs.outputs,
        "scratch": needs.scratch,
    }
    return json.dumps(said), library.code, needs.constants.tobytes()


def described(said: str) -> Description:
    """What `Workbench.describe` said.

    Raises:
        DeviceError: It is something else.
    """
    try:
        content = json.loads(said)
        found = Description(content["name"], content["machine"], tuple(content["targets"]))
    except (ValueError, TypeError, KeyError) as error:
        raise DeviceError(f"it describes itself as {said!r:.80}, which is no description of a device") from error
    if not all(isinstance(each, str) for each in (found.name, found.machine, *found.targets)):
        raise DeviceError(f"it describes itself as {said!r:.80}, which is no description of a device")
    return Description(found.name, found.machine, tuple(each for each in found.targets if each in TARGETS))


def outputs_of(answered: bytes, batch: int, outputs: int) -> Outputs:
    """What `Workbench.answer` gave."""
    numbers = np.frombuffer(answered, np.float32)
    mean, total, data, knowledge = np.split(numbers, np.cumsum((batch * outputs, batch, batch)))
    return Outputs(mean.reshape(batch, outputs), total, data, knowledge)
