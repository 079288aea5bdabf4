"""A plan and its libraries as JSON values and named tensors, and back: no false number reaches machine code.

What follows from something else is not written down, so that it cannot lie: the order of the steps says which value each makes,
and the input's shape, step by step, all other shapes. What is left is checked: a step reads what was made before it, a
tensor has the shape that its step needs, numbers are finite and variances not negative. docs/format.md has every key.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.lanes import padded
from bitsback.lower.run.native.layout import VERSION
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.member_packing import numbers
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.named_tensors import NamedTensors
from bitsback.lower.run.native.parts import laid_out, misfit, part
from bitsback.lower.run.native.plan import Map, Plan, Product, Step, Weighted
from bitsback.lower.run.native.step_record import MOST, Reader, Result, step_record
from bitsback.lower.run.native.tiles import Tile, default_tile
from bitsback.strict_json import Fields

LARGEST = 2**28
"""Numbers in the constants of a plan, and in the scratch buffer of a function."""
MOST_STEPS = 2**12


def plan_record(plan: Plan) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A plan as JSON values and tensors of float32.

    Raises:
        ArtifactError: it is none that could be read again.
    """
    content, tensors = _said(plan)
    again = plan_from(content, tensors)
    if (again.maps, again.random, again.stacked) != (plan.maps, plan.random, plan.stacked):
        raise ArtifactError(f"the plan says that it makes {plan.maps}, and its steps make {again.maps}")
    return content, tensors


def _said(plan: Plan) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    tensors = {name: getattr(plan, name) for name in ("input_mean", "input_scale", *_OF_OUTPUTS, "points")}
    steps = []
    for index, step in enumerate(plan.steps):
        said, parts = step_record(step, random=plan.random[step.target])
        steps.append(said)
        tensors |= {f"{index}.{name}": part for name, part in parts.items()}
    content = {
        "task": plan.task,
        "input_shape": list(plan.input_shape),
        "steps": steps,
        "correlated": plan.correlated,
        "members": plan.members,
    }
    return content, {name: np.ascontiguousarray(each) for name, each in tensors.items()}


def _digest(plan: Plan) -> str:
    """Names what code is compiled for: all of a plan but the numbers in its tensors, and which weights members keep."""
    content, tensors = _said(plan)
    shapes = {name: each.shape for name, each in tensors.items()}
    kept = {
        str(index): hashlib.sha256(np.packbits(step.weights.kept, bitorder="little").tobytes()).hexdigest()
        for index, step in enumerate(plan.steps)
        if isinstance(step, MemberProduct)
    }
    named = [content, shapes, kept] if kept else [content, shapes]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def plan_from(content: object, tensors: Mapping[str, np.ndarray]) -> Plan:
    """The plan that `plan_record` wrote.

    Args:
        content: JSON values.
        tensors: exactly the plan's.

    Raises:
        ArtifactError: its numbers do not fit one another.
    """
    fields, named = Fields(content, "the plan"), NamedTensors(tensors)
    task, shape, members = _head(fields)
    steps, values = _steps(fields, named, Result(_input(shape), random=False), members)
    correlated = fields.of("correlated", bool)
    fields.close()
    last, classes = values[-1].map, _classes(values[-1], members)
    inputs = [named.take(name, _shared(named, name, shape[0])) for name in ("input_mean", "input_scale")]
    points = named.take("points", (named.shape("points", 2)[0] if members == 1 else members, classes))
    outputs = [named.take(name, (classes,), least=least) for name, least in _OF_OUTPUTS.items()]
    named.close()
    maps, random = tuple(each.map for each in values), tuple(each.random for each in values)
    stacked = tuple(each.stacked for each in values) if members > 1 else ()
    sums = isinstance(steps[-1], Product) and random[steps[-1].source]
    if correlated and not (sums and task == "classification" and last.channels > 1):
        raise ArtifactError(
            "the plan says that its outputs are correlated, and they are no classification's sums of two random values or more"
        )
    plan = Plan(
        task,
        shape,
        inputs[0],
        inputs[1],
        steps,
        maps,
        random,
        points,
        *outputs,
        correlated=correlated,
        members=members,
        stacked=stacked,
    )
    _check_size("its weights take", _constants(plan))
    _check_size("an input takes", _scratch(plan, 1, None))
    return plan


_OF_OUTPUTS = {"target_scale": -np.inf, "target_shift": -np.inf, "noise_var": 0.0}
"""What a plan has for each output, and the least that each number may be."""


def _head(fields: Fields) -> tuple[str, tuple[int, ...], int]:
    """What a plan does, the shape of its inputs, and how many members it has.

    Raises:
        ArtifactError: one of them cannot be.
    """
    task, shape, members = fields.of("task", str), fields.each("input_shape", int), fields.of("members", int)
    if task not in {"classification", "regression"}:
        raise ArtifactError(f"the plan's task is {task!r:.80}; it must be classification or regression")
    if len(shape) not in {1, 3} or not all(0 < axis <= MOST for axis in shape):
        raise ArtifactError(f"the plan's input_shape is {str(shape)[:80]}; it must be (C, H, W) or (D,)")
    if not 0 < members <= MOST:
        raise ArtifactError(f"the plan has {members} members; it must have 1 to {MOST}")
    return task, shape, members


def _classes(last: Result, members: int) -> int:
    """How many outputs a plan has that ends in a value.

    Raises:
        ArtifactError: it is no vector of them, or has no members where there are some.
    """
    if last.map.size != last.map.channels or last.stacked != (members > 1):
        raise ArtifactError(f"the plan ends in {last.map}, which is no vector of outputs of {members} member(s)")
    return last.map.channels // (padded(members) if members > 1 else 1)


def _steps(
    fields: Fields, tensors: NamedTensors, given: Result, members: int
) -> tuple[tuple[Step, ...], tuple[Result, ...]]:
    found = fields.objects("steps")
    if not 0 < len(found) <= MOST_STEPS:
        raise ArtifactError(f"the plan has {len(found)} steps; it must have 1 to {MOST_STEPS}")
    steps: list[Step] = []
    values = [given]
    for each in found:
        step, value = Reader(each, tensors, values, members).step()
        steps.append(step)
        values.append(value)
    return tuple(steps), tuple(values)


def _input(shape: tuple[int, ...]) -> Map:
    """Channels last."""
    return Map(shape[1], shape[2], shape[0]) if len(shape) == 3 else Map(1, 1, shape[0])


def _shared(tensors: NamedTensors, name: str, count: int) -> tuple[int, ...]:
    """One number for each of so many channels or features, or one for all."""
    return (1,) if tensors.shape(name, 1) == (1,) else (count,)


def _constants(plan: Plan, tiles: Mapping[int, Tile] | None = None) -> int:
    """At least as many numbers as `packing.arrange` lays out, with these tiles or customary ones."""
    one = part(plan)
    outputs, points = plan.outputs, padded(len(plan.points))
    size = 2 * padded(plan.input_shape[0]) + 2 * padded(outputs) + (outputs + 1) * points
    for index, (step, first) in enumerate(zip(plan.steps, one.steps, strict=True)):
        if isinstance(step, Product):
            count, rows, columns, channels = step.weights.mean.shape
            size += 2 * padded(count) * (rows * columns * padded(channels) + 2) + rows * columns * padded(channels)
        if isinstance(step, MemberProduct) and isinstance(first, MemberProduct):
            size += numbers(step.weights, tiles[index] if tiles else default_tile(one, first, 1))
    if plan.correlated and isinstance(step := plan.steps[-1], Product):
        _, rows, columns, channels = step.weights.mean.shape
        size += padded(outputs * outputs // 2) * (rows * columns * padded(channels) + 1)
    return size


def _scratch(plan: Plan, batch: int, together: int | None) -> int:
    correlation = (batch + 2) * padded(plan.outputs) ** 2 if plan.correlated else 0
    return laid_out(plan, batch, together).scratch + 2 * plan.outputs * padded(len(plan.points)) + correlation


def _check_size(what: str, size: int) -> None:
    if size > LARGEST:
        raise ArtifactError(f"the plan cannot be laid out: {what} {size} numbers; at most {LARGEST} go")


def library_record(library: Library, plan: Plan) -> dict[str, Any]:
    """A library as JSON values, without its code; every tile is written down, for what is customary may change."""

    def said(entry: Entry) -> dict[str, Any]:
        one = part(plan, entry.together)
        products = [(index, step) for index, step in enumerate(one.steps) if isinstance(step, Weighted)]
        tiles = {index: entry.tiles.get(index) or default_tile(one, step, entry.batch) for index, step in products}
        cut = [{"step": index, **tile_record(each)} for index, each in tiles.items()]
        return {"batch": entry.batch, "together": one.width, "tiles": cut}

    entries = [said(entry) for entry in library.entries]
    return {"target": library.target, "layout": VERSION, "plan": _digest(plan), "entries": entries}


def library_from(content: object, code: np.ndarray, plan: Plan) -> Library:
    """The library that `library_record` wrote.

    Args:
        content: JSON values.
        code: `[bytes]` of uint8.
        plan: What it was compiled from.

    Raises:
        ArtifactError: it does not fit the plan, or lays numbers out as another version of bitsback does.
    """
    fields = Fields(content, "a library")
    target, layout = fields.of("target", str), fields.of("layout", int)
    where = f"the library for {target!r:.80}"
    if layout != VERSION:
        raise ArtifactError(f"{where} is of layout {layout}, and this bitsback has layout {VERSION}: pack it again")
    if fields.of("plan", str) != _digest(plan):
        raise ArtifactError(f"{where} was compiled for another plan than the one beside it: pack it again")
    entries = tuple(_entry(each, plan) for each in fields.objects("entries"))
    fields.close()
    batches = [entry.batch for entry in entries]
    if not batches or batches != sorted({*batches}, reverse=True):
        raise ArtifactError(f"{where} is for batches {str(batches)[:80]}; each must be smaller than the one before it")
    if code.dtype != np.uint8 or code.ndim != 1:
        raise ArtifactError(f"{where} has code of {code.dtype} {code.shape}; it must be uint8, in one row")
    return Library(target, code.tobytes(), entries)


def tile_record(tile: Tile) -> dict[str, int]:
    """A tile as JSON values."""
    return asdict(tile)


def tile_from(said: Fields) -> Tile:
    """The tile that `tile_record` wrote.

    Raises:
        ArtifactError: it is none.
    """
    counts = {name: said.of(name, int) for name in ("positions", "vectors", "unroll", "sums")}
    orders = {name: said.of(name, bool) for name in ("across", "apart", "dense", "widened")}
    said.close()
    wrong = next((name for name, count in counts.items() if not 0 < count <= MOST), None)
    if wrong is not None:
        raise ArtifactError(f"{said.where} has {wrong} {counts[wrong]}; it must be 1 to {MOST}")
    return Tile(**counts, **orders)


def _entry(fields: Fields, plan: Plan) -> Entry:
    batch, together, tiles = fields.of("batch", int), fields.of("together", int), {}
    if not 0 < batch <= MOST:
        raise ArtifactError(f"{fields.where} is for a batch of {batch}; it must be 1 to {MOST}")
    for each in fields.objects("tiles"):
        step = each.of("step", int)
        if step in tiles:
            raise ArtifactError(f"{each.where} is of step {step}, as one before it; there is one for each")
        tiles[step] = tile_from(each)
    fields.close()
    products = [index for index, step in enumerate(plan.steps) if isinstance(step, Weighted)]
    if sorted(tiles) != products:
        raise ArtifactError(f"{fields.where} has tiles of steps {str(sorted(tiles))[:80]}, and products are {products}")
    wrong = misfit(plan, together)
    if wrong:
        raise ArtifactError(f"{fields.where} cannot compute {together} members at a time: {wrong}")
    _check_size(f"with tiles for a batch of {batch} its weights take", _constants(plan, tiles))
    _check_size(f"a batch of {batch} takes", _scratch(plan, batch, together))
    return Entry(batch, tiles, together)
