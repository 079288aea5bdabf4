"""The artifact that `golden.bitsback` holds."""

from pathlib import Path

from bitsback.artifact.container import Artifact
from bitsback.artifact.manifest import AbstainRule, Input, Manifest, Normalization
from tests.lower.run import graphs

PATH = Path(__file__).parent / "golden.bitsback"


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
