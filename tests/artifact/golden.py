"""The artifacts that `golden.bitsback` and the other golden files hold.

To write the files again after a change of the format:

    python -c "from tests.artifact.golden import rewrite; rewrite()"
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from bitsback.artifact.container import Artifact, encode
from bitsback.artifact.manifest import AbstainRule, Input, Manifest, Normalization
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.plan import Map, Plan, Product, Weights
from bitsback.lower.run.native.tiles import Tile
from bitsback.runtime.native import with_libraries
from tests.lower.run import graphs

PATH = Path(__file__).parent / "golden.bitsback"
NATIVE = Path(__file__).parent / "golden_native.bitsback"
MEMBERS = Path(__file__).parent / "golden_members.bitsback"
CODEBOOK = Path(__file__).parent / "golden_codebook.bitsback"


def artifact() -> Artifact:
    """A two-member classifier of 2 x 2 images, every part of the manifest filled in."""
    manifest = Manifest(
        task="classification",
        form="ensemble",
        members=graphs.MEMBERS,
        input=Input(graphs.SHAPE, white=16.0),
        outputs=graphs.CLASSES,
        labels=("zero", "one", "zwölf"),
        normalization=Normalization(mean=(4.5,), std=(2.0,)),
        abstain=AbstainRule("total", threshold=0.9, error_rate=0.05, confidence=0.95),
        measurements=({"what": "accuracy", "value": 0.875, "unit": "share", "of": {"split": "test"}, "spread": None},),
        recipe={"network": {"name": "linear"}, "seed": 0},
        bitsback="0.1.0",
    )
    return Artifact(manifest, graphs.program(), graphs.weights())


def plan() -> Plan:
    """One member alone."""
    params = graphs.weights()
    kernel = params["kernel"][0].reshape(2, 2, 1, 3).transpose(3, 0, 1, 2)
    none, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    steps = (Product(0, 1, Weights(kernel, params["bias"][0, 0], None, none)),)
    maps, points = (Map(2, 2, 1), Map(1, 1, 3)), np.zeros((1, 3), np.float32)
    mean, scale = np.float32([0]), np.float32([1])
    return Plan("classification", graphs.SHAPE, mean, scale, steps, maps, (False, False), points, one, none, none)


TILES = {8: {0: Tile(8, 1)}, 1: {0: Tile(1, 1)}}
"""Said, for what is customary may change."""


def native() -> Artifact:
    """The same with libraries of one member for two targets, whose code is none."""
    entries = Entry(8, TILES[8]), Entry(1, TILES[1])
    libraries = [Library(target, f"no code for {target}".encode(), entries) for target in ("x86-64-v3", "aarch64")]
    return with_libraries(artifact(), plan(), libraries)


def stacks() -> dict[str, np.ndarray]:
    """Stacks that share what they keep: whole numbers close together and far apart, and real ones."""
    rng = np.random.default_rng(0)
    kept = rng.random((40, 60)) < np.outer(np.linspace(0, 0.5, 40), np.linspace(0, 1, 60))
    around = rng.integers(-90, 90, (40, 60)) + rng.integers(-3, 4, (16, 40, 60))
    return {
        "close": (kept * around).astype(np.int8),
        "apart": (kept * rng.integers(-20, 21, (16, 40, 60))).astype(np.int8).reshape(16, 40, 5, 12),
        "real": (kept[:9] * rng.normal(size=(3, 9, 60)) + 0.0).astype(np.float32),
    }


def members() -> Artifact:
    """The first with such stacks beside its weights."""
    return replace(artifact(), weights={**artifact().weights, **stacks()})


def few() -> dict[str, np.ndarray]:
    """Floats of few different numbers: halves, as they are, multiples coded and in bytes; and more of them than a block has."""
    rng = np.random.default_rng(0)
    chances = np.outer(np.linspace(0, 0.5, 40), np.linspace(0, 1, 60))
    kept = rng.random((40, 60)) < chances
    found = {
        "halves": (kept * rng.choice([-0.5, -0.25, 0.125, 0.75], (40, 60))).reshape(40, 5, 12),
        "exact": kept * rng.choice([-0.3, -0.1, 0.2], (40, 60)),
        "multiples": np.float32(0.0123) * rng.integers(-9, 10, 500).astype(np.float32),
        "bytes": np.float32(0.0123) * rng.integers(-127, 128, 100).astype(np.float32),
        "many": rng.choice([-1, 0, 1], (300, 400), p=[0.02, 0.95, 0.03]),
    }
    return {name: (each + 0.0).astype(np.float32) for name, each in found.items()}


def coded() -> Artifact:
    """The first with such floats beside its weights."""
    return replace(artifact(), weights={**artifact().weights, **few()})


def rewrite() -> None:
    """Writes the files; their digests in test_container.py change with them."""
    for path, made in ((PATH, artifact), (NATIVE, native), (MEMBERS, members), (CODEBOOK, coded)):
        path.write_bytes(encode(made()))
