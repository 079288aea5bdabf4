import contextlib

import numpy as np
import pytest

from bitsback.errors import ArtifactError
from bitsback.lower.run.external_data import ExternalTensor, external_tensors
from tests.lower.run import graphs


def test_initializers_are_found_by_name_and_location() -> None:
    found = external_tensors(graphs.program(bias="elsewhere"))
    assert sorted(found, key=lambda each: each.name) == [
        ExternalTensor("bias", ("elsewhere",), True),
        ExternalTensor("kernel", ("weights",), True),
    ]


def test_embedded_tensors_are_not_external() -> None:
    model = graphs.model()
    del model.graph.initializer[:2]
    assert external_tensors(model.SerializeToString()) == []


@pytest.mark.parametrize("place", graphs.stray())
def test_every_hiding_place_is_searched(place: str) -> None:
    assert ("/etc/passwd",) in [each.locations for each in external_tensors(graphs.stray()[place])]


def test_a_graph_in_two_pieces_is_searched_in_both() -> None:
    whole = graphs.model()
    program = graphs.stray()["initializer"] + whole.SerializeToString()
    assert "secret" in {each.name for each in external_tensors(program)}


def test_a_field_number_beyond_32_bits_cannot_hide_a_graph() -> None:
    tag = ((7 << 3) | 2) + (1 << 34)
    varint = bytes([tag >> shift & 0x7F | 0x80 for shift in range(0, 28, 7)] + [tag >> 28])
    with pytest.raises(ArtifactError, match="tag"):
        external_tensors(varint + b"\x00")


def test_any_bytes_are_searched_or_refused() -> None:
    generator = np.random.default_rng(0)
    program = bytearray(graphs.program())
    for _ in range(500):
        place = int(generator.integers(len(program)))
        damaged = bytearray(program)
        damaged[place] ^= 1 << int(generator.integers(8))
        with contextlib.suppress(ArtifactError):
            assert len(external_tensors(bytes(damaged))) <= 4
