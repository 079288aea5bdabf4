"""One step of a plan as JSON values and named tensors, and back.

The i-th step makes value i + 1. Its shape follows from what it reads, and is computed and not read.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.halves import low_halves
from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.members import HELD, STORED, MemberProduct, MemberWeights
from bitsback.lower.run.native.named_tensors import NamedTensors
from bitsback.lower.run.native.plan import (
    VARIANCES,
    Average,
    Factored,
    Halves,
    Largest,
    Map,
    Product,
    Rank1,
    Rectify,
    Step,
    Sum,
    View,
    Weights,
)
from bitsback.strict_json import Fields

MOST = 2**16
"""Of anything that is counted: steps, rows, columns, channels, inputs of a call."""


@dataclass(frozen=True)
class Result:
    """What a step makes: its shape, whether it has a variance, and whether it has members."""

    map: Map
    random: bool
    stacked: bool = False


Written = tuple[dict[str, Any], dict[str, np.ndarray]]


def step_record(step: Step, *, random: bool) -> Written:
    """A step as JSON values, and its tensors.

    Args:
        step: What is computed.
        random: Whether what it makes has a variance.
    """
    match step:
        case Product():
            return _product(step, random=random)
        case MemberProduct():
            return _member_product(step)
        case Rectify():
            return {"kind": "rectify", "source": step.source}, {}
        case Largest():
            how = {"size": list(step.size), "stride": list(step.stride)}
            return {"kind": "largest", "source": step.source, **how}, {}
        case Average():
            return {"kind": "average", "source": step.source, "factor": step.factor}, {}
        case Sum():
            second = step.second
            view = {"second": second.source, "step": list(second.step), "channel": second.channel}
            how = {"factor": step.factor, "rectified": step.rectified}
            return {"kind": "sum", "source": step.first.source, **view, **how}, {}


def _product(step: Product, *, random: bool) -> Written:
    weights = step.weights
    tensors = {"mean": weights.mean, "bias": weights.bias, "bias_var": weights.bias_var}
    more: dict[str, np.ndarray] = {}
    for prefix, each in zip(("", "square_"), weights.products, strict=False):
        more |= {f"{prefix}inputs": each.inputs, f"{prefix}outputs": each.outputs}
    if isinstance(weights.var, np.ndarray):
        more = {"var": weights.var}
    how = {"stride": list(step.stride), "padding": list(step.padding), "factor": step.factor}
    return {
        "kind": "product",
        "source": step.source,
        **how,
        "random": random,
        "variances": weights.variances,
    }, tensors | more


def _member_product(step: MemberProduct) -> Written:
    weights = step.weights
    how = {"stride": list(step.stride), "padding": list(step.padding), "groups": weights.groups}
    said = {"kind": "member_product", "source": step.source, **how, "rectified": step.rectified}
    return said | {"weights": weights.stored}, {"values": weights.values, "scale": weights.scale, "bias": weights.bias}


@dataclass(frozen=True)
class Reader:
    """What a step is read from.

    Attributes:
        fields: its JSON object.
        tensors: the plan's.
        values: what was made before it; the step makes the next one.
        members: how many an ensemble has, else 1.
    """

    fields: Fields
    tensors: NamedTensors
    values: Sequence[Result]
    members: int = 1

    @property
    def width(self) -> int:
        """How many numbers the members of one channel take."""
        return padded(self.members) if self.members > 1 else 1

    def step(self) -> tuple[Step, Result]:
        """The step and what it makes.

        Raises:
            ArtifactError: a number of it does not fit what it reads.
        """
        kind = self.fields.of("kind", str)
        if kind not in _READERS:
            raise ArtifactError(f"{self.fields.where} is a {kind!r:.80}; known are {', '.join(_READERS)}")
        found, value = _READERS[kind](self, self.source("source", whole=kind not in {"product", "member_product"}))
        self.fields.close()
        if max(value.map.height, value.map.width, value.map.channels) > MOST:
            raise self.refuse(f"makes {value.map}; at most {MOST} of each go")
        return found, value

    def source(self, key: str, *, whole: bool) -> int:
        """A value that was made before; `whole` where its channels must fill whole vectors, as all but the input's do."""
        index = self.fields.of(key, int)
        if not 0 <= index < len(self.values):
            raise self.refuse(f"reads value {index}; there are {len(self.values)} before it")
        if whole and index == 0 and self.values[0].map.channels % LANES:
            raise self.refuse(
                f"reads the input, whose channels are no multiple of {LANES}; only a layer of weights can"
            )
        return index

    def pair(self, key: str, least: int) -> tuple[int, int]:
        """Two numbers, for rows and columns."""
        found = self.fields.each(key, int)
        if len(found) != 2 or not all(least <= each <= MOST for each in found):
            raise self.refuse(f"has {key} {str(found)[:80]}, where two numbers from {least} to {MOST} belong")
        return found[0], found[1]

    def factor(self) -> float:
        """What variances are multiplied by."""
        found = self.fields.number("factor")
        if not 0 <= found < math.inf:
            raise self.refuse(f"has factor {found}; it must be a finite number of at least 0")
        return found

    def tensor(self, name: str, shape: tuple[int, ...], *, least: float = -math.inf) -> np.ndarray:
        """A tensor of the step."""
        return self.tensors.take(self.name(name), shape, least=least)

    def product(self, prefix: str, shape: tuple[int, ...]) -> Rank1:
        """Numbers for weights of a shape, as a product."""
        sizes = {"inputs": shape[1:], "outputs": shape[:1]}
        return Rank1(*(self.tensor(f"{prefix}{name}", size, least=0) for name, size in sizes.items()))

    def name(self, name: str) -> str:
        """What a tensor of the step is called in the plan."""
        return f"{len(self.values) - 1}.{name}"

    def slid(
        self, of: Map, size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
    ) -> tuple[int, int]:
        """How many rows and columns there are of a window that slides over a map."""
        rows, columns = (
            (length + 2 * pad - window) // step + 1
            for length, pad, window, step in zip((of.height, of.width), padding, size, stride, strict=True)
        )
        if rows < 1 or columns < 1:
            raise self.refuse(f"has a window of {size} over {of} with a border of {padding}, which is smaller")
        return rows, columns

    def refuse(self, why: str) -> ArtifactError:
        """What a step cannot be."""
        return ArtifactError(f"{self.fields.where} {why}")


def _read_product(reader: Reader, source: int) -> tuple[Step, Result]:
    of, target = reader.values[source], len(reader.values)
    shape = reader.tensors.shape(reader.name("mean"), 4)
    mean = reader.tensor("mean", (*shape[:3], of.map.channels))
    outputs = shape[:1]
    var = _variances(reader, mean)
    if isinstance(var, Factored) and not of.random:
        raise reader.refuse(f"has factored variances, and value {source}, which it reads, has none")
    bias, bias_var = reader.tensor("bias", outputs), reader.tensor("bias_var", outputs, least=0)
    stride, padding = reader.pair("stride", 1), reader.pair("padding", 0)
    height, width = reader.slid(of.map, (shape[1], shape[2]), stride, padding)
    random = reader.fields.of("random", bool)
    if not random and (of.random or var is not None or bool(bias_var.any())):
        raise reader.refuse("has variances, and is said to make a value without one")
    if of.stacked:
        raise reader.refuse(f"has weights that all members share, and value {source}, which it reads, has members")
    step = Product(source, target, Weights(mean, bias, var, bias_var), stride, padding, reader.factor())
    return step, Result(Map(height, width, *outputs), random)


def _read_member_product(reader: Reader, source: int) -> tuple[Step, Result]:
    of, members = reader.values[source], reader.members
    if members == 1 or of.random:
        raise reader.refuse(f"is of members, of which there are {members}, or reads a value with a variance")
    kind, groups = reader.fields.of("weights", str), reader.fields.of("groups", int)
    if kind not in STORED:
        raise reader.refuse(f"has weights {kind!r:.80}; known are {', '.join(STORED)}")
    channels = of.map.channels // (reader.width if of.stacked else 1)
    shape = reader.tensors.shape(reader.name("values"), 5)
    if not 0 < groups <= MOST or shape[1] % groups or shape[4] * groups != channels:
        raise reader.refuse(f"has {groups} groups, which do not divide {shape[1]} outputs and {channels} channels")
    values = reader.tensors.take(reader.name("values"), (members, *shape[1:]), dtype=HELD[kind])
    scale, bias = (reader.tensor(name, (members, shape[1])) for name in ("scale", "bias"))
    stride, padding = reader.pair("stride", 1), reader.pair("padding", 0)
    height, width = reader.slid(of.map, (shape[2], shape[3]), stride, padding)
    weights = MemberWeights(values, scale, bias, groups, halved=kind == "bfloat16")
    step = MemberProduct(source, len(reader.values), weights, stride, padding, reader.fields.of("rectified", bool))
    return step, Result(Map(height, width, shape[1] * reader.width), random=False, stacked=True)


def _variances(reader: Reader, mean: np.ndarray) -> np.ndarray | Rank1 | Halves | Factored | None:
    kind, shape = reader.fields.of("variances", str), mean.shape
    if kind == "none":
        return None
    if kind == "each":
        return reader.tensor("var", shape, least=0)
    if kind == "product":
        return reader.product("", shape)
    if kind == "factored":
        return Factored(reader.product("", shape), reader.product("square_", shape))
    if kind == "halves":
        if not (low_halves(mean) < math.inf).all() or np.signbit(low_halves(mean)).any():
            raise reader.refuse("has variances in the low halves of its means, and one is negative or not finite")
        return Halves()
    raise reader.refuse(f"has variances {kind!r:.80}; known are {', '.join(VARIANCES)}")


def _read_rectify(reader: Reader, source: int) -> tuple[Step, Result]:
    return Rectify(source, len(reader.values)), reader.values[source]


def _read_largest(reader: Reader, source: int) -> tuple[Step, Result]:
    of = reader.values[source]
    size, stride = reader.pair("size", 1), reader.pair("stride", 1)
    height, width = reader.slid(of.map, size, stride, (0, 0))
    made = Largest(source, len(reader.values), size, stride)
    return made, Result(Map(height, width, of.map.channels), of.random, of.stacked)


def _read_average(reader: Reader, source: int) -> tuple[Step, Result]:
    of = reader.values[source]
    made = Average(source, len(reader.values), reader.factor())
    return made, Result(Map(1, 1, of.map.channels), of.random, of.stacked)


def _read_sum(reader: Reader, source: int) -> tuple[Step, Result]:
    first, other = reader.values[source], reader.source("second", whole=True)
    second, step, channel = reader.values[other], reader.pair("step", 1), reader.fields.of("channel", int)
    if second.stacked and not first.stacked:
        raise reader.refuse("adds a value with members to one without")
    rows, columns = (first.map.height - 1) * step[0], (first.map.width - 1) * step[1]
    if rows >= second.map.height or columns >= second.map.width:
        raise reader.refuse(f"takes every {step} of {second.map}, which does not cover {first.map}")
    width = reader.width if first.stacked and not second.stacked else 1
    taken = second.map.channels * width
    lanes = reader.width if first.stacked else LANES
    if channel < 0 or channel % lanes or channel + taken > first.map.channels:
        raise reader.refuse(
            f"puts {taken} channels at {channel} of {first.map.channels}; it must be a multiple of {lanes} at which they fit"
        )
    random, rectified = first.random or second.random, reader.fields.of("rectified", bool)
    if random and (rectified or first.stacked):
        raise reader.refuse("has a variance, and a ReLU in it or members")
    view = View(other, step, channel)
    made = Sum(View(source), view, len(reader.values), reader.factor(), width, rectified)
    return made, Result(first.map, random, first.stacked)


_READERS: Mapping[str, Callable[[Reader, int], tuple[Step, Result]]] = {
    "product": _read_product,
    "rectify": _read_rectify,
    "largest": _read_largest,
    "average": _read_average,
    "sum": _read_sum,
    "member_product": _read_member_product,
}
