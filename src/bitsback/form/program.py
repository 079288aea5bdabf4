"""A form as a program: raw inputs in, a mean and three uncertainties out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from bitsback.errors import ExportError, NetworkError, first_line
from bitsback.form.outputs import VOTES, Outputs, Reading, regress
from bitsback.given.normalization import Normalization
from bitsback.posterior.likelihood import Task


@dataclass(frozen=True)
class Units:
    """What ties a network, which sees standardized numbers, to the user's units.

    Attributes:
        task: "classification" or "regression".
        inputs: the inputs' normalization.
        targets: the targets' normalization (regression), or None.
        log_noise: log noise standard deviations `[D]` in standardized units (regression), else empty.
    """

    task: Task
    inputs: Normalization
    targets: Normalization | None
    log_noise: Tensor


def buffer_names(names: Iterable[str], prefix: str = "") -> dict[str, str]:
    """Names of tensors as attributes of a module, which may hold no dot.

    Raises:
        NetworkError: two of them become one.
    """
    found = {name: prefix + name.replace(".", "__") for name in names}
    first: dict[str, str] = {}
    for name, attribute in found.items():
        if first.setdefault(attribute, name) != name:
            raise NetworkError(f"{first[attribute]!r} and {name!r} both become {attribute!r} in a program; rename one")
    return found


class Members(Protocol):
    """The part that differs between forms: standardized inputs `[B, *shape]` to the members' outputs `[S, B, C]`."""

    def __call__(self, inputs: Tensor, /) -> Tensor:
        """The members' outputs."""
        ...


@dataclass(frozen=True)
class Program:
    """A form of a network.

    Attributes:
        form: its name.
        units: the task and its units.
        members: how many members vote.
        input_shape: the shape of one input.
        module: the program as a module: `forward` gives `Outputs`, `answers` the members' answers `[S, B, C]`.
        graph: what is exported of it.
        draws: whether it draws anew in each call, so that no two answer alike.
        swapped: where what is exported is one member, whose answers `[B, C]` it gives: what the members have of each of its
            further inputs, `[S, *shape]` by name.
        temperature: what multiplied the KL when its posterior was fitted; None where it was not fitted here.
    """

    form: str
    units: Units
    members: int
    input_shape: tuple[int, ...]
    module: "Predict"
    graph: nn.Module
    draws: bool = False
    swapped: Mapping[str, Tensor] = field(default_factory=dict)
    temperature: float | None = 1.0

    @cached_property
    def exported(self) -> ExportedProgram:
        """Its graph for any batch size, with outputs `mean, total, data, knowledge` and the members' answers.

        Of swapped members it is one member's, with the outputs that `form.swapped` says. It takes seconds, and is made when it
        is first asked for.

        Raises:
            ExportError: `torch.export` refuses it, or an operator can be mapped over members for one batch size only.
        """
        inputs, shapes = (torch.zeros(3, *self.input_shape),), ({0: Dim.DYNAMIC},)
        if self.swapped:
            further = tuple(each[0] for each in self.swapped.values())
            inputs, shapes = (*inputs, further), (*shapes, (None,) * len(further))
        try:
            return torch.export.export(self.graph, inputs, dynamic_shapes=shapes, strict=False)
        except Exception as error:
            raise ExportError(f"the {self.form} form cannot be exported: {first_line(error)}") from error


class Predict(nn.Module):
    """Standardizes raw inputs, asks the members, and combines their answers in the user's units."""

    input_mean: Tensor
    input_scale: Tensor
    target_mean: Tensor
    target_std: Tensor
    noise_var: Tensor

    def __init__(self, members: Members, units: Units, axes: int, reading: Reading = VOTES) -> None:
        super().__init__()
        self.members, self.task, self.reading = members, units.task, reading
        shape = (1, -1) + (1,) * (axes - 1)
        self.register_buffer("input_mean", torch.tensor(units.inputs.mean).reshape(shape))
        self.register_buffer("input_scale", 1 / torch.tensor(units.inputs.std).reshape(shape))
        if units.targets is not None:
            std = torch.tensor(units.targets.std)
            self.register_buffer("target_mean", torch.tensor(units.targets.mean))
            self.register_buffer("target_std", std)
            self.register_buffer("noise_var", torch.exp(2 * units.log_noise) * std.square())

    def answers(self, inputs: Tensor) -> Tensor:
        """Each member's answer `[S, B, C]`: log probabilities, or means in target units; of logits as moments, these."""
        return self.read(self.members(self.standardized(inputs)))

    def standardized(self, inputs: Tensor) -> Tensor:
        """Raw inputs `[B, *shape]` as the network takes them."""
        return (inputs - self.input_mean) * self.input_scale

    def read(self, outputs: Tensor) -> Tensor:
        """Answers from what the network puts out, `[..., C]`."""
        if self.task == "classification":
            return self.reading.answers(outputs)
        return outputs * self.target_std + self.target_mean

    def combine(self, answers: Tensor) -> Outputs:
        """The prediction from the members' answers."""
        return self.reading.combine(answers) if self.task == "classification" else regress(answers, self.noise_var)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw inputs `[B, *shape]` to `mean, total, data, knowledge`."""
        outputs = self.combine(self.answers(inputs))
        return outputs.mean, outputs.total, outputs.data, outputs.knowledge


class _WithAnswers(nn.Module):
    """A program that gives its members' answers too, in which their spread can be looked at after export."""

    def __init__(self, program: Predict) -> None:
        super().__init__()
        self.program = program

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        answers = self.program.answers(inputs)
        return (*self.program.combine(answers), answers)


def build(
    form: str,
    members: Members,
    count: int,
    units: Units,
    input_shape: tuple[int, ...],
    *,
    reading: Reading = VOTES,
    draws: bool = False,
) -> Program:
    """A form as a program."""
    module = predicting(members, units, len(input_shape), reading)
    return Program(form, units, count, input_shape, module, _WithAnswers(module).eval(), draws)


def predicting(members: Members, units: Units, axes: int, reading: Reading = VOTES) -> Predict:
    """The module of a program, ready to be exported."""
    module = Predict(members, units, axes, reading)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module.eval()
