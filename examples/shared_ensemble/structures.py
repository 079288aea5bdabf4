"""Where a shared structure comes from, and how sparse it may be.

    python -m examples.shared_ensemble.structures --data DIR     about half an hour; rows go to results/structures.jsonl

An MLP 784-300-100-10 on MNIST, eight members, each source at six densities, with the library's own settings; none was tuned.
What is pruned in cycles has six epochs at each density, on top of those at the denser ones; so have members that follow one
structure ("followed"), and each member in a structure of its own. Other members have six epochs from their dense weights. What
was fitted is kept in runs/structures, so that a killed run goes on.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import bitsback
from bitsback.errors import BitsbackError
from bitsback.form.one_by_one import asked, members_of, predict
from bitsback.given.dataset import Dataset
from bitsback.given.params import Params
from bitsback.lower.run.onnx import Outputs
from bitsback.measure.journal import Journal, Measurement, Scalar, latest, stamp
from bitsback.measure.provenance import provenance
from bitsback.measure.quality import classification
from bitsback.posterior.inference import Inference
from bitsback.run.fitted import FittedNetwork
from examples.one_pass.__main__ import called
from examples.shared_ensemble.__main__ import FIGURES, ROOT

JOURNAL, RUNS = ROOT / "results" / "structures.jsonl", ROOT / "runs" / "structures"
KEPT = (0.2, 0.1, 0.05, 0.03, 0.02, 0.01)
MEMBERS, DENSE, RECOVERY = 8, 15, 6
PARTS = ("snr", "magnitude", "own", "followed", "members")
MAGNITUDE = bitsback.Choice(saliency="magnitude")
BLOCKS = replace(MAGNITUDE, block=(4, 1))
Tensors = list[Params]


class Study:
    """Fits what is asked for, or finds it."""

    def __init__(self, data: Dataset, runs: Path, network: str = "lenet-300-100") -> None:
        self.data, self.runs, self.network = data, runs, network
        runs.mkdir(parents=True, exist_ok=True)

    def fit(
        self,
        name: str,
        inference: Inference,
        epochs: int,
        start: FittedNetwork | None = None,
        *,
        seed: int = 0,
    ) -> FittedNetwork:
        """A network fitted so, from its own weights or an earlier result."""
        torch.manual_seed(seed)
        module = bitsback.network(self.network, self.data)
        settings = bitsback.FitSettings(epochs=epochs, seed=seed)
        found = bitsback.fit(
            module, self.data, inference, settings=settings, start=start, checkpoint=self.runs / f"{name}.checkpoint"
        )
        print(f"{name}: {epochs} epochs", file=sys.stderr, flush=True)
        return found

    def sparser(
        self, name: str, began: FittedNetwork, inference: Inference, choice: bitsback.Choice
    ) -> Iterator[FittedNetwork]:
        """Pruned further and further, each time with epochs to recover.

        Yields:
            One network for each density.
        """
        for kept in KEPT:
            pruned = bitsback.prune(began, policy(kept, choice))
            began = self.fit(f"{name}-{kept}", inference, RECOVERY, pruned)
            yield began

    def rewound(self, early: FittedNetwork, dense: FittedNetwork) -> Iterator[FittedNetwork]:
        """Pruned further and further, each time begun again at early weights (Frankle et al., arXiv 1912.05671).

        Yields:
            One network for each density.
        """
        last = dense
        for kept in KEPT:
            masks = bitsback.prune(last, policy(kept, MAGNITUDE)).masks
            last = self.fit(f"rewound-{kept}", bitsback.Point(), DENSE, bitsback.prune(early, masks=masks))
            yield last

    def row(self, source: str, kept: float, network: FittedNetwork, tensors: Sequence[Tensors]) -> list[Measurement]:
        """The quality of one ensemble, or the mean over several with the lowest and the highest."""
        of: dict[str, Scalar] = {"source": source, "kept": kept, "members": len(tensors[0])}
        figures = [
            classification(
                self._asked(network, each, self.data.test.inputs),
                self.data.test.targets,
                self._asked(network, each, self.data.out_of_distribution),
            )
            for each in tensors
        ]
        rows = []
        for what, (_, unit) in FIGURES.items():
            values = [value for each in figures if (value := each[what]) is not None]
            spread = (min(values), max(values)) if len(values) > 1 else None
            rows.append(Measurement(what, float(np.mean(values)), unit, of, repeats=len(values), spread=spread))
        return rows

    @staticmethod
    def _asked(network: FittedNetwork, tensors: Tensors, inputs: np.ndarray) -> Outputs:
        found = predict(asked(network.network, tensors), network.units, inputs)
        return Outputs(*(each.numpy() for each in found))


def policy(kept: float, choice: bitsback.Choice) -> bitsback.Policy:
    """The policy that keeps such a share of all weights."""
    return bitsback.Policy(replace(choice, sparsity=1 - kept))


def drawn(network: FittedNetwork) -> Tensors:
    """The tensors of each of eight draws, or of all values of a list."""
    draws = network.posterior.sample(MEMBERS, torch.Generator().manual_seed(0))
    return members_of(network.posterior.fixed, draws)


def rows(study: Study, parts: Sequence[str] = PARTS) -> Iterator[list[Measurement]]:
    """The rows of some parts, source by source.

    Yields:
        Those of one source at one density.
    """
    dense = study.fit("dense", bitsback.Point(), DENSE)
    if "snr" in parts:
        yield from _by_snr(study)
    if "own" in parts:
        yield from _each_by_itself(study)
    structures = dict(zip(KEPT, study.sparser("magnitude", dense, bitsback.Point(), MAGNITUDE), strict=True))
    if "magnitude" in parts:
        yield study.row("dense", 1.0, dense, [[dense.posterior.centre()]])
        early = study.fit("early", bitsback.Point(), 1)
        rewound = dict(zip(KEPT, study.rewound(early, dense), strict=True))
        yield from _sampled(study, "magnitude", structures)
        yield from _sampled(study, "rewound", rewound)
    if not {"members", "followed"} & {*parts}:
        return
    members = study.fit("members", bitsback.DeepEnsemble(MEMBERS), DENSE)
    if "followed" in parts:
        yield from _inside(study, "followed", members, structures)
    if "members" in parts:
        blocks = dict(zip(KEPT, study.sparser("blocks", dense, bitsback.Point(), BLOCKS), strict=True))
        yield study.row("dense_members", 1.0, members, [drawn(members)])
        yield study.row("dense_member", 1.0, members, [[one] for one in drawn(members)])
        yield from _inside(study, "shared", members, structures)
        yield from _inside(study, "blocks", members, blocks)


def _by_snr(study: Study) -> Iterator[list[Measurement]]:
    normals = study.fit("normals", bitsback.MeanField(), 2 * DENSE)
    yield study.row("draws", 1.0, normals, [drawn(normals)])
    for kept in KEPT:
        pruned = bitsback.prune(normals, policy(kept, bitsback.Choice()))
        yield study.row("snr_draws", kept, pruned, [drawn(pruned)])
    for kept, each in zip(KEPT, study.sparser("snr", normals, bitsback.MeanField(), bitsback.Choice()), strict=True):
        yield study.row("snr_cycles_draws", kept, each, [drawn(each)])


def _sampled(study: Study, source: str, structures: dict[float, FittedNetwork]) -> Iterator[list[Measurement]]:
    for kept, each in structures.items():
        yield study.row(source, kept, each, [[each.posterior.centre()]])
        chains = bitsback.SgMcmc("sghmc", MEMBERS, 2, learning_rate=0.03)
        inside = study.fit(f"{source}-sghmc-{kept}", chains, RECOVERY, each)
        yield study.row(f"{source}_sghmc", kept, inside, [drawn(inside)])


def _inside(
    study: Study, name: str, members: FittedNetwork, structures: dict[float, FittedNetwork]
) -> Iterator[list[Measurement]]:
    began = members
    for kept, structure in structures.items():
        pruned = bitsback.prune(began, masks=structure.masks)
        inside = study.fit(f"members-{name}-{kept}", bitsback.DeepEnsemble(MEMBERS), RECOVERY, pruned)
        yield study.row(f"members_{name}", kept, inside, [drawn(inside)])
        yield study.row(f"member_{name}", kept, inside, [[one] for one in drawn(inside)])
        began = inside if name == "followed" else members


def _each_by_itself(study: Study) -> Iterator[list[Measurement]]:
    every: dict[float, Tensors] = {kept: [] for kept in KEPT}
    network: FittedNetwork | None = None
    for index in range(MEMBERS):
        network = study.fit(f"own-{index}", bitsback.Point(), DENSE, seed=100 + index)
        found = study.sparser(f"own-{index}", network, bitsback.Point(), MAGNITUDE)
        for kept, each in zip(KEPT, found, strict=True):
            every[kept].append(each.posterior.centre())
    assert network is not None
    for kept, tensors in every.items():
        yield study.row("members_own", kept, network, [tensors])
        yield study.row("member_own", kept, network, [[one] for one in tensors])


def main() -> int:
    """Runs the study; errors are one line."""
    parser = argparse.ArgumentParser(prog="python -m examples.shared_ensemble.structures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="a folder of named data sets")
    parser.add_argument("--only", choices=PARTS, action="append", help="only these sources")
    parser.add_argument("--journal", type=Path, default=JOURNAL)
    parser.add_argument("--runs", type=Path, default=RUNS)
    asked_for = parser.parse_args()
    torch.set_num_threads(1)
    journal = Journal(asked_for.journal)
    try:
        source = provenance(called("examples.shared_ensemble.structures", asked_for.data), 0)
        for found in rows(
            Study(bitsback.dataset("mnist", folder=asked_for.data), asked_for.runs), asked_for.only or PARTS
        ):
            journal.append(stamp(found, source))
    except BitsbackError as error:
        print(f"structures: {error}", file=sys.stderr)
        return 2
    for row in latest(journal.read()):
        if row.what in {"accuracy", "nll"}:
            print(f"{row.of['source']} {row.of['kept']}: {row.what} {row.value:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
