"""What the weights of an ensemble take in a file, in three ways to write down which there are."""

from collections.abc import Mapping

import numpy as np

from bitsback.artifact.container import encode
from bitsback.artifact.tensors import pack
from bitsback.form.point import PointForm
from bitsback.form.program import Program
from bitsback.given.dataset import Dataset
from bitsback.run.fitted import FittedNetwork
from bitsback.run.programs import artifact

_INDEX = 2  # bytes for a row and as many for a column


def taken(program: Program, data: Dataset) -> dict[str, int]:
    """Bytes of a program's file: the weights section and the graph, which are the program; and of the whole file."""
    made = artifact(program, data, {})
    weights = sum(len(pack(name, each, 0)[1]) for name, each in made.weights.items())
    return {"weights_bytes": weights, "graph_bytes": len(made.program), "file_bytes": len(encode(made))}


def coordinates(weights: Mapping[str, np.ndarray]) -> dict[str, int]:
    """What stacks `[S, O, ...]` of whole numbers would take with coordinates: of each member by itself, or once for all."""
    found = {"coordinates_each": 0, "coordinates_shared": 0}
    for each in weights.values():
        if each.ndim < 3 or each.dtype != np.int8:
            found = {name: size + each.nbytes for name, size in found.items()}
            continue
        kept = int((each != 0).any(0).sum())
        found["coordinates_each"] += int((each != 0).sum()) * (1 + 2 * _INDEX)
        found["coordinates_shared"] += kept * (len(each) + 2 * _INDEX)
    return found


def dense_bytes(network: FittedNetwork, data: Dataset) -> int:
    """Weights section and graph of one dense network of float32."""
    found = taken(network.program(PointForm()), data)
    return found["weights_bytes"] + found["graph_bytes"]
