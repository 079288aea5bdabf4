"""Train with Pyro, import, propagate, compile, compare, pack.

python -m examples.pyro                   a table; its last line is JSON
python -m examples.pyro --output DIR      where store.pt and digits.bitsback go, else runs/pyro
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import bitsback
from bitsback.errors import BitsbackError
from bitsback.given.dataset import Dataset
from bitsback.measure.outputs import Outputs
from bitsback.measure.quality import classification
from bitsback.run.fitted import FittedNetwork
from examples.pyro import training
from examples.pyro.network import INPUT_MEAN, INPUT_STD, network

SHOWN = ("accuracy", "nll", "ece", "ood_auroc_total", "ood_auroc_knowledge")
Predict = Callable[[np.ndarray], Outputs]


def main() -> int:
    """Does it all; errors are one line."""
    parser = argparse.ArgumentParser(prog="python -m examples.pyro", description="Train with Pyro, import, pack.")
    parser.add_argument("--output", type=Path, default=Path("runs") / "pyro", help="a folder for the two files")
    parser.add_argument("--steps", type=int, default=600, help="of Pyro's inference")
    parser.add_argument("--draws", type=int, default=100, help="of Predictive, and members of the ensemble")
    asked = parser.parse_args()
    try:
        show(*compare(asked.output, asked.steps, asked.draws))
    except BitsbackError as error:
        print(f"pyro: {error}", file=sys.stderr)
        return 2
    return 0


def compare(folder: Path, steps: int, draws: int) -> tuple[dict[str, dict[str, float | None]], int]:
    """Train, import the store, and set every way to predict beside the others on the test split.

    Returns:
        The figures by way, and the packed file's bytes.
    """
    data = bitsback.dataset("digits", input_mean=INPUT_MEAN, input_std=INPUT_STD)
    model, guide = training.train(data, steps)
    folder.mkdir(parents=True, exist_ok=True)
    training.save(folder / "store.pt")
    imported = bitsback.imported(network(data.input_shape, data.outputs), data, folder / "store.pt")
    ways: dict[str, Predict] = {
        f"Pyro, Predictive, {draws} draws": lambda raw: training.predict(model, guide, data, raw, draws),
        f"ensemble, {draws} members": _packed(folder / "ensemble.bitsback", imported, data, draws),
        "propagated, one pass": _packed(folder / "digits.bitsback", imported, data),
        "propagated, compiled": bitsback.load(folder / "digits.bitsback", native=True).predict,
        "propagated, half of the weights": _packed(folder / "half.bitsback", bitsback.prune(imported, 0.5), data),
    }
    found = {
        name: classification(predict(data.test.inputs), data.test.targets, predict(data.out_of_distribution))
        for name, predict in ways.items()
    }
    return found, (folder / "digits.bitsback").stat().st_size


def show(found: dict[str, dict[str, float | None]], size: int) -> None:
    """Print the table, and the same as JSON."""
    print(f"{'':34}{'accuracy':>10}{'NLL':>9}{'ECE':>9}{'OOD total':>11}{'OOD knowledge':>15}")
    for name, figures in found.items():
        values = [figures[what] or 0.0 for what in SHOWN]
        print(f"{name:34}{values[0]:>10.2%}{values[1]:>9.4f}{values[2]:>9.2%}{values[3]:>11.3f}{values[4]:>15.3f}")
    print(f"digits.bitsback: {size:,} bytes, which need neither Pyro nor PyTorch")
    print(json.dumps({name: {what: figures[what] for what in SHOWN} for name, figures in found.items()}))


def _packed(path: Path, fitted: FittedNetwork, data: Dataset, members: int | None = None) -> Predict:
    if members is None:
        bitsback.pack(bitsback.propagated(fitted), path, data, libraries=["native:1,100"])
    else:
        bitsback.pack(bitsback.ensemble(fitted, members), path, data)
    return bitsback.load(path).predict


if __name__ == "__main__":
    sys.exit(main())
