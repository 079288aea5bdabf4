"""Layers of members are tuned as others are: their shapes, tiles, trials and functions of one layer alone."""

import numpy as np
import pytest

from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.build.tuning.database import Database, Trial
from bitsback.lower.build.tuning.layer import compiled
from bitsback.lower.build.tuning.shape import alone, shape_of
from bitsback.lower.build.tuning.space import customary, neighbours, space
from bitsback.lower.run.native.library import open_library
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.targets import runnable
from tests.lower.build.native.test_members import program

NAMES = ("vectors", "grouped", "residual")


def shapes(name):
    plan = plan_of(program(name, 8))
    layers = [step for step in plan.steps if isinstance(step, MemberProduct)]
    return [(step, shape_of(plan, step, 2)) for step in layers]


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_alone_keeps_as_many_weights_and_has_the_same_shape(name):
    for step, shape in shapes(name):
        plan = alone(shape)
        (only,) = plan.steps
        assert int(only.weights.kept.sum()) == int(step.weights.kept.sum())
        assert only.weights.values.shape == step.weights.values.shape
        assert shape_of(plan, only, 2) == shape
        assert shape.operations == shape.members.kept * 8 * shape.out.height * shape.out.width * 2


def test_outputs_that_keep_the_same_go_together():
    step, shape = shapes("vectors")[0]
    assert not shape.members.blocks
    assert {tile.vectors for tile in space(shape, "x86-64-v3") if not tile.dense} == {1}
    assert {tile.vectors for tile in space(shape, "x86-64-v3") if tile.dense} == {1, 4}
    values = np.array(step.weights.values)
    values[:, 1::4] = values[:, 2::4] = values[:, 3::4] = values[:, ::4]
    plan = plan_of(program("vectors", 8))
    same = MemberProduct(0, 1, type(step.weights)(values, step.weights.scale, step.weights.bias))
    blocks = shape_of(plan, same, 2)
    assert blocks.members.blocks
    assert {tile.vectors for tile in space(blocks, "x86-64-v3") if not tile.dense} == {1, 4}
    assert alone(blocks).steps[0].weights.kept.sum() == same.weights.kept.sum()


def test_tiles_differ_fit_the_registers_and_have_neighbours():
    for _, shape in shapes("residual"):
        tiles = space(shape, "x86-64-v3")
        assert tiles[0] == customary(shape)
        assert len({*tiles}) == len(tiles) > 10
        assert all(each.positions * each.vectors * each.sums <= 12 for each in tiles)
        assert all(each in tiles for each in neighbours(tiles[0], tiles))


def test_a_layer_alone_is_compiled_and_runs():
    for _, shape in shapes("grouped")[:2]:
        for tile in space(shape, runnable()[0])[:: len(space(shape, runnable()[0])) // 3]:
            call = open_library(alone(shape), compiled(shape, tile, runnable()[0])).calls[2]
            call()


def test_trials_of_such_layers_are_written_and_read(tmp_path):
    (_, shape), *_ = shapes("grouped")
    tiles = space(shape, "x86-64-v3")
    trial = Trial("a processor", "x86-64-v3", shape, tiles[1], tiles[0], 1e-6, 2e-6, 0.5, 12)
    database = Database(tmp_path / "tuning.jsonl")
    database.add(trial)
    assert database.read() == [trial]
