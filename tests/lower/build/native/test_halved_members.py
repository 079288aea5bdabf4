"""Members of bfloat16: half the bytes of float32, and the same answers from every tile."""

import numpy as np
import pytest

from bitsback.errors import ArtifactError
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry
from bitsback.lower.run.native.plan import cost
from bitsback.lower.run.native.record import plan_from, plan_record
from bitsback.lower.run.native.tiles import Tile
from tests.lower.build.native.test_members import check, program


def test_a_weight_that_is_no_bfloat16_is_refused():
    content, tensors = plan_record(plan_of(program("vectors", member_weights="bfloat16")))
    assert content["steps"][0]["weights"] == "bfloat16"
    values = np.array(tensors["0.values"])
    values.flat[np.flatnonzero(values)[0]] *= np.float32(1 + 2**-20)
    with pytest.raises(ArtifactError, match="weights are said to be bfloat16, and one is none"):
        plan_from(content, {**tensors, "0.values": values})


def test_bfloat16_takes_half_the_bytes_of_float32_in_memory():
    halves, whole = (cost(plan_of(program("vectors", member_weights=how)))[1] for how in ("bfloat16", "float32"))
    assert halves == whole / 2


@pytest.mark.parametrize("tile", [Tile(2, 4, 2, widened=True), Tile(2, 4, 2), Tile(2, 1, 4, dense=True)])
def test_no_tile_changes_what_bfloat16_computes(tile):
    of = program("vectors", 8, "bfloat16")
    fits = {index: tile for index, step in enumerate(plan_of(of).steps) if step.weights.values.shape[1] == 20}
    check(of, [Entry(3, fits)])
