from dataclasses import astuple

import numpy as np
import pytest

from bitsback.lower.build.native.library import build
from bitsback.lower.build.tuning.shape import alone, shape_of
from bitsback.lower.build.tuning.space import customary, neighbours, space
from bitsback.lower.run.native.library import Entry, open_library
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.plan import Product
from bitsback.lower.run.native.targets import TARGETS, runnable
from bitsback.lower.run.native.tiles import Tile
from tests.lower.build.tuning.benches import CONV, LAST, VECTORS
from tests.lower.run.native.plans import SHAPE, plan, sure

SHAPES = {"conv": CONV, "vectors": VECTORS, "last": LAST}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SHAPES)
def test_every_tile_is_different_and_its_sums_fit_the_registers(name, target):
    shape = SHAPES[name]
    first, *others = space(shape, target)
    assert first == customary(shape)
    assert len({first, *others}) == 1 + len(others) > 10
    registers = {"x86-64": 8, "x86-64-v3": 16, "x86-64-v4": 32, "aarch64": 16}[target]
    for tile in others:
        assert (1 if tile.apart else 2) * tile.positions * tile.vectors * tile.sums < registers
        assert tile.sums <= tile.unroll
        assert tile.positions <= max(shape.batch, shape.out.width)
        assert tile.vectors <= -(-shape.outputs // 8)


def test_a_tile_that_changes_nothing_is_not_tried_twice():
    tiles = space(LAST, "x86-64-v3")
    assert {tile.vectors for tile in tiles if tile.across} == {1}  # with both vectors in a tile there is one order
    assert not any(tile.across for tile in tiles if tile.positions == LAST.batch)


def test_neighbours_differ_in_one_thing_and_know_each_other():
    tiles = space(CONV, "x86-64-v3")
    for tile in tiles[::9]:
        for other in neighbours(tile, tiles):
            *things, _apart, dense, widened = (
                one != two for one, two in zip(astuple(tile), astuple(other), strict=True)
            )
            assert sum(things) == 1
            assert not dense
            assert not widened
            assert tile in neighbours(other, tiles)
    assert set(neighbours(Tile(2, 1, 2), tiles)) == {
        Tile(1, 1, 2), Tile(3, 1, 2), Tile(2, 2, 2), Tile(2, 1, 1), Tile(2, 1, 4), Tile(2, 1, 2, 2), Tile(2, 1, 2, 1, True)
    }  # fmt: skip
    assert Tile(3, 3, apart=True) in neighbours(Tile(2, 3), tiles)


@pytest.mark.parametrize("made", [plan, sure])
def test_tiles_of_the_space_answer_what_customary_tiles_answer(made):
    draw, target, whole = np.random.default_rng(0), runnable()[0], made()
    products = [(index, step) for index, step in enumerate(whole.steps) if isinstance(step, Product)]

    def drawn(batch):
        spaces = {index: space(shape_of(whole, step, batch), target) for index, step in products}
        return Entry(batch, {index: tiles[int(draw.integers(len(tiles)))] for index, tiles in spaces.items()})

    inputs = draw.normal(size=(6, *SHAPE)).astype(np.float32)
    for batch in (1, 2, 3):
        expected, found = (
            open_library(whole, build(whole, target, [entry])).run(inputs) for entry in (Entry(batch), drawn(batch))
        )
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("made", [plan, sure])
def test_a_layer_alone_is_laid_out_as_in_its_network(made):
    for batch in (1, 3):
        layers = arrange(made(), batch).layers
        for index, step in enumerate(made().steps):
            if isinstance(step, Product):
                shape = shape_of(made(), step, batch)
                own, layer = arrange(alone(shape), batch).layers[0], layers[index]
                assert shape.out == made().maps[step.target]
                assert (own.tile, own.packed.blocks, own.packed.run) == (
                    layer.tile,
                    layer.packed.blocks,
                    layer.packed.run,
                )
                assert (own.random, own.full, own.source.row) == (layer.random, layer.full, layer.source.row)
