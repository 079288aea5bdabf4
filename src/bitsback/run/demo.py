"""The main job on scikit-learn's digits, small enough to watch: two digits are kept from the network, to be met later."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.errors import DataError
from bitsback.given.dataset import Dataset
from bitsback.given.folders import check_given, is_set, names_in
from bitsback.measure.journal import Measurement, latest
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import parse
from bitsback.report.evidence import Variant, factor, newest, settled, value
from bitsback.report.promise import promise
from bitsback.run.fit import recipe_of
from bitsback.run.folder import RunFolder
from bitsback.run.materials import load_data
from bitsback.runtime.predictor import Answer, Predictor, load

FORMS = ("point", "ensemble", "propagated")  # set beside one another
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
        known: Inputs of the test split.
        strange: Inputs of a kind that it was not trained on.
        rows: The run's newest figures.
        run: The folder.
    """

    known: tuple[Met, ...]
    strange: tuple[Met, ...]
    rows: list[Measurement]
    run: RunFolder

    @property
    def figures(self) -> dict[str, Any]:
        """Each form beside the same form of the dense network, as `--json` prints them."""
        forms = {form: self._beside_dense(form) for form in FORMS}
        kept = promise(self.rows)
        return {
            "run": str(self.run.path),
            **forms,
            "native_ensemble": None
            if self.native is None
            else dict(zip(("latency", "faster"), self.native, strict=True)),
            "ood_auroc_total": self.value("ood_auroc_total", "compressed", "ensemble"),
            "ood_auroc_knowledge": self.value("ood_auroc_knowledge", "compressed", "ensemble"),
            "promise": None if kept is None else asdict(kept),
            "declined": {"test": self.declined[0], "strange": self.declined[1]},
        }

    @property
    def declined(self) -> tuple[float | None, float | None]:
        """The shares of the test split and of strange inputs that it declines; None where it promises nothing."""
        coverage, strange = (self.value(what, "compressed", "ensemble") for what in ("coverage", "ood_declined"))
        return None if coverage is None else 1.0 - coverage, strange

    def value(self, what: str, stage: str, form: str) -> float | None:
        """A figure of a network on the test split; None where it was not measured."""
        found = value(settled(self.rows), what, Variant(stage, form))
        return None if found is None else found.value

    @property
    def native(self) -> tuple[float, float] | None:
        """Seconds of one call of the ensemble's native library, and how many times faster than the dense point it is.

        Round by round, the dense point in ONNX Runtime; None where there is no library.
        """
        found = {
            row.what: row.value
            for row in latest(self.run.rows())
            if str(row.of.get("engine")).startswith("native") and row.of.get("beside") is None
        }
        latency, ratio = found.get("latency"), found.get("latency_ratio")
        return None if latency is None or not ratio else (latency, 1 / ratio)

    def factor(self, what: str, form: str) -> float | None:
        """How many times smaller a figure is than the dense network's in the same form; None where it was not measured."""
        return factor(settled(self.rows), what, Variant("compressed", form), Variant("dense", form))

    def _beside_dense(self, form: str) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for name, what in (("accuracy", "accuracy"), ("bytes", "file_bytes"), ("latency", "latency")):
            found[name] = self.value(what, "compressed", form)
            found[f"dense_{name}"] = self.value(what, "dense", form)
        return found


def recipe(seed: int, folder: Path | None = None) -> Recipe:
    """The demo's run: 95 % of a small network's weights go, sixteen members vote, at most 3 % of answers may be wrong.

    The promise was chosen from the size of the calibration split: of its 288 digits, 3 % with confidence 0.9 tolerates four
    wrong answers and 1 % none, so that a run that goes a little worse elsewhere is still given it. Of other data it is not
    known what they can give: the usual promise is tried.

    Args:
        seed: Decides every draw.
        folder: A data set of images to show it on, its first 2,000 training samples; the digits when None.

    Raises:
        DataError: The folder is not one data set.
    """
    data: dict[str, Any] = {"name": "digits", "calibration": 0.25}
    asked: dict[str, Any] = {"abstain": {"error_rate": 0.03, "confidence": 0.9}}
    if folder is not None:
        check_given(folder)
        if not is_set(folder):
            inside = ", ".join(names_in(folder)) or "none"
            raise DataError(f"{folder} is not one data set that the demo could show; the sets in it are: {inside}")
        data = {"folder": str(folder.resolve()), "calibration": 0.25, "limit": 2000}
        asked = {}
    return parse({
        "seed": seed,
        "data": data,
        "network": {"name": "mlp", "options": {"hidden": [200, 200]}},
        "inference": {"method": "mean_field", "std_rate": 1.0},
        "fit": {"epochs": 150, "batch": 50, "learning_rate": 3e-3},
        "compress": {"policy": {"default": {"sparsity": 0.95}}},
        "form": {"name": "ensemble", "members": 16, "member_weights": "int8"},
        "evaluate": {"forms": ["propagated"]},
        **asked,
    })


def story(run: RunFolder) -> Story:
    """Show the packed program some digits that it was trained for and some of classes that it never saw.

    Raises:
        BitsbackError: The run is not complete.
    """
    data = load_data(recipe_of(run))
    predictor = load(run.need("model", "pack"))
    strange = predictor.predict(data.out_of_distribution)
    names = [data.labels[target] for target in data.test.targets]
    first = range(min(_SHOWN, len(names)))
    return Story(
        known=_met(predictor, data.test.inputs, names, first),
        strange=_met(predictor, data.out_of_distribution, _held_out(data), _mixed(strange.abstain)),
        rows=newest(run.rows()),
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
        Met(inputs[index].mean(axis=0) / white, names[index], answer)
        for index, answer in zip(chosen, answers, strict=True)
    )
