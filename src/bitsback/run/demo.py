"""The main job on scikit-learn's digits, small enough to watch: two digits are kept from the network, to be met later."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bitsback.given.dataset import Dataset
from bitsback.measure.journal import Measurement, latest
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import parse
from bitsback.run.fit import recipe_of
from bitsback.run.folder import RunFolder
from bitsback.run.materials import load_data
from bitsback.runtime.predictor import Answer, Predictor, load

_SHOWN = 4


@dataclass(frozen=True)
class Met:
    """An input that the packed program was shown.

    Attributes:
        image: Grey values [H, W], from 0 to 1.
        truth: What it is.
        answer: What the program says.
    """

    image: np.ndarray
    truth: str
    answer: Answer


@dataclass(frozen=True)
class Story:
    """What the demo shows.

    Attributes:
        known: Digits of the test split.
        strange: Digits of the classes that were held out of training.
        declined: The shares of test and of held-out digits that it declines.
        rows: The run's newest figures.
        run: The folder.
    """

    known: tuple[Met, ...]
    strange: tuple[Met, ...]
    declined: tuple[float, float]
    rows: list[Measurement]
    run: RunFolder

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of what ships beside the dense network, as `--json` prints them."""
        return {
            "run": str(self.run.path),
            "accuracy": self.value("accuracy"),
            "dense_accuracy": self.value("accuracy", shipped=False),
            "ood_auroc_total": self.value("ood_auroc_total"),
            "ood_auroc_knowledge": self.value("ood_auroc_knowledge"),
            "bytes": self.value("file_bytes"),
            "dense_bytes": self.value("file_bytes", shipped=False),
            "latency": self.value("latency"),
            "dense_latency": self.value("latency", shipped=False),
            "declined": {"test": self.declined[0], "held_out": self.declined[1]},
        }

    def value(self, what: str, *, shipped: bool = True) -> float | None:
        """The newest figure of what ships, or of the dense network."""
        wanted = ("compressed", "ensemble") if shipped else ("dense", "point")
        found = [
            row.value
            for row in self.rows
            if row.what == what
            and (row.of.get("stage"), row.of.get("form")) == wanted
            and not {"sweep", "perturbation"} & row.of.keys()
        ]
        return found[-1] if found else None


def recipe(seed: int) -> Recipe:
    """The demo's run: 95 % of a small network's weights go, ten members vote, at most 3 % of answers may be wrong."""
    return parse({
        "seed": seed,
        "data": {"name": "digits", "calibration": 0.25},
        "network": {"name": "mlp", "options": {"hidden": [200, 200]}},
        "inference": {"method": "mean_field", "std_rate": 1.0},
        "fit": {"epochs": 150, "batch": 50, "learning_rate": 3e-3},
        "compress": {"policy": {"default": {"sparsity": 0.95}}},
        "form": {"name": "ensemble", "members": 10},
        "abstain": {"error_rate": 0.03, "confidence": 0.9},
    })


def story(run: RunFolder) -> Story:
    """Show the packed program some digits that it was trained for and some of classes that it never saw.

    Raises:
        BitsbackError: The run is not complete.
    """
    data = load_data(recipe_of(run))
    predictor = load(run.need("model", "pack"))
    known, strange = predictor.predict(data.test.inputs), predictor.predict(data.out_of_distribution)
    names = [data.labels[target] for target in data.test.targets]
    first = range(min(_SHOWN, len(names)))
    return Story(
        known=_met(predictor, data.test.inputs, names, first),
        strange=_met(predictor, data.out_of_distribution, _held_out(data), _mixed(strange.abstain)),
        declined=(float(known.abstain.mean()), float(strange.abstain.mean())),
        rows=latest(run.rows()),
        run=run,
    )


def _mixed(declined: np.ndarray) -> list[int]:
    """The first few, with at least one that is declined if there is one."""
    first = list(range(min(_SHOWN, len(declined))))
    if first and declined.any() and not declined[first].any():
        first[-1] = int(np.flatnonzero(declined)[0])
    return first


def _held_out(data: Dataset) -> list[str]:
    return [data.out_of_distribution_name.removeprefix("held-out classes ").replace(", ", " or ")] * len(
        data.out_of_distribution
    )


def _met(predictor: Predictor, inputs: np.ndarray, names: list[str], chosen: Any) -> tuple[Met, ...]:
    chosen = list(chosen)
    answers = predictor.predict(inputs[chosen]).answers()
    white = predictor.manifest.input.white
    return tuple(
        Met(inputs[index][0] / white, names[index], answer) for index, answer in zip(chosen, answers, strict=True)
    )
