"""The parts of a recipe: one frozen dataclass a table, with the defaults.

A key that is a setting of the library under the same name has its meaning there; the others have theirs here. Both, and
the defaults, which must be the library's, stand in docs/recipe.md.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from bitsback.measure.abstain import Promise, Score
from bitsback.measure.latency import LatencySettings
from bitsback.policy.choice import Saliency
from bitsback.recipe.compression import Compress
from bitsback.recipe.form import DRAWS, Form, FormName
from bitsback.recipe.inference import (
    CodeLength,
    DeepEnsemble,
    Hmc,
    Imported,
    McDropout,
    MeanField,
    Point,
    SgMcmc,
    SnapshotEnsemble,
    Sqs,
)
from bitsback.recipe.strict import STRICT, check
from bitsback.settings import check_seed, check_whole


@dataclass(frozen=True)
class Data:
    """Which data set, where it is, and how it is split; see `given.dataset.DataSettings`.

    Attributes:
        name: "digits", "diabetes", the name of a set's folder such as "mnist", or a function as `package.module:function`
            or `file.py:function`, the file beside the recipe. Without one it is the set that the folder is, else the digits.
        folder: A folder that is one set or holds named sets, relative to the recipe. Without one it is `BITSBACK_DATA`, if
            that is set; what is not found there is looked for in `/usr/share/datasets`.
    """

    __pydantic_config__ = STRICT
    name: str | None = None
    folder: str | None = None
    validation: float | int = 0.1
    calibration: float | int = 0.1
    out_of_distribution: str = "auto"
    hold_out: tuple[int, ...] | None = None
    limit: int | None = None
    input_mean: tuple[float, ...] | None = None
    input_std: tuple[float, ...] | None = None
    target_mean: tuple[float, ...] | None = None
    target_std: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Network:
    """Which network, and where its weights start.

    Attributes:
        name: A reference network ("mlp", "lenet-300-100", "lenet-5", "lenet-5-caffe", "resnet-20", "resnet-32", "resnet-44",
            "resnet-56"), or your own as `package.module:name` or `file.py:name`, the file beside the recipe.
        options: Passed to the network's factory by name.
        weights: A safetensors file or a PyTorch checkpoint to start from, relative to the recipe.
        deterministic: Patterns over the names of params, such as "fc1.*"; what they match stays a point.
    """

    __pydantic_config__ = STRICT
    name: str = "mlp"
    options: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    deterministic: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fit:
    """The training loop and its optimizer; see `posterior.loop.FitSettings` and `posterior.optimization`."""

    __pydantic_config__ = STRICT
    epochs: int = 20
    batch: int = 100
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    kl_weighting: Literal["even", "geometric"] = "even"
    antithetic: bool = True
    compile: bool | None = None
    threads: int = 1
    checkpoint_seconds: float = 20.0


@dataclass(frozen=True)
class Abstain:
    """The promise that the packed program keeps by declining; see `measure.abstain.Promise`."""

    __pydantic_config__ = STRICT
    error_rate: float = 0.05
    confidence: float = Promise.confidence
    score: Score = Promise.score
    tolerance: float | None = Promise.tolerance

    def __post_init__(self) -> None:
        for name in ("error_rate", "confidence"):
            value = getattr(self, name)
            check(0 < value < 1, f"abstain.{name}", value, "between 0 and 1")
        check(self.tolerance is None or 0 < self.tolerance < math.inf, "abstain.tolerance", self.tolerance, "above 0")


@dataclass(frozen=True)
class Evaluate:
    """What is looked at besides the test split.

    Attributes:
        sparsities: Of the sweep, each from 0 to below 1; an empty list for no sweep.
        saliencies: Of the sweep; those that the posterior has no variance for are left out.
        levels: Of noise, FGSM and PGD, in standard deviations of the inputs, each above 0; an empty list for none.
        swept: How many samples each step of the sweep answers at most, at least 1.
        perturbed: How many test inputs are perturbed at most, at least 1; each costs as many gradients as PGD has steps.
        pgd_steps: Gradient steps of PGD, at least 1.
        forms: Further forms to set beside the point, the ensemble and the one that ships.
    """

    __pydantic_config__ = STRICT
    sparsities: tuple[float, ...] = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98)
    saliencies: tuple[Saliency, ...] = ("snr", "magnitude")
    levels: tuple[float, ...] = (0.1, 0.2, 0.4)
    swept: int = 1000
    perturbed: int = 250
    pgd_steps: int = 10
    forms: tuple[FormName, ...] = ()

    def __post_init__(self) -> None:
        within = all(0 <= each < 1 for each in self.sparsities)
        check(within, "evaluate.sparsities", list(self.sparsities), "numbers from 0 to below 1")
        above = all(0 < each < math.inf for each in self.levels)
        check(above, "evaluate.levels", list(self.levels), "numbers above 0")
        for name in ("swept", "perturbed", "pgd_steps"):
            check_whole(f"evaluate.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class Measure:
    """How latency is measured; see `measure.latency.LatencySettings`.

    Attributes:
        batches: Samples in a call, each at least 1; each is timed by itself.
    """

    __pydantic_config__ = STRICT
    batches: tuple[int, ...] = (1,)
    repeats: int = LatencySettings.repeats
    warmup: int = LatencySettings.warmup
    threads: int = LatencySettings.threads

    def __post_init__(self) -> None:
        sized = bool(self.batches) and all(type(each) is int and each >= 1 for each in self.batches)
        check(sized, "measure.batches", list(self.batches), "some numbers, each at least 1")
        for name, least in (("repeats", 1), ("warmup", 0), ("threads", 1)):
            check_whole(f"measure.{name}", getattr(self, name), least)


@dataclass(frozen=True)
class Recipe:
    """A whole run.

    Attributes:
        data: The data set.
        network: The network.
        inference: How the posterior is fitted, or where it comes from.
        fit: The training loop.
        compress: What goes.
        form: What predicts.
        abstain: The promise. Without the table its defaults are tried, and left out if the data cannot give them.
        evaluate: What is looked at besides the test split.
        measure: How latency is measured.
    """

    __pydantic_config__ = STRICT
    seed: int = 0
    temperature: float = 1.0
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    inference: (
        MeanField | Point | CodeLength | Sqs | SgMcmc | Hmc | McDropout | DeepEnsemble | SnapshotEnsemble | Imported
    ) = field(default_factory=MeanField)
    fit: Fit = field(default_factory=Fit)
    compress: Compress = field(default_factory=Compress)
    form: Form = field(default_factory=Form)
    abstain: Abstain | None = None
    evaluate: Evaluate = field(default_factory=Evaluate)
    measure: Measure = field(default_factory=Measure)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check(0 <= self.temperature < math.inf, "temperature", self.temperature, "a finite number, at least 0")
        has_prior = isinstance(self.inference, MeanField | CodeLength | Sqs | SgMcmc | Hmc)
        alone = self.compress.target is None or self.form.name in {None, "point"}
        check(alone, "form.name", self.form.name, "'point' where compress.target asks for a size")
        right = f"0 where inference.method is '{self.inference.method}': it has a prior"
        check(self.fit.weight_decay == 0 or not has_prior, "fit.weight_decay", self.fit.weight_decay, right)
        again = self.compress.weight_decay
        check(not again or not has_prior, "compress.weight_decay", again, right)
        self._check_moves()
        wanted, listed = self.form.members, self._listed
        right = f"at most {listed}, as many as the posterior is made of"
        check(wanted is None or listed is None or wanted <= listed, "form.members", wanted, right)
        drawn = self.form.name in (None, "point") or not self._one_value
        if isinstance(self.inference, Imported):
            self._check_nothing_fitted()
        method = self.inference.method
        check(drawn, "form.name", self.form.name, f"'point' where inference.method is '{method}': nothing can be drawn")
        if listed is not None or self._one_value:
            where = f"where inference.method is '{self.inference.method}', which leaves nothing to draw anew"
            forms = list(self.evaluate.forms)
            check(self.form.name != "stochastic", "form.name", self.form.name, f"another form {where}")
            check("stochastic" not in forms, "evaluate.forms", forms, f"without 'stochastic' {where}")

    def _check_moves(self) -> None:
        """What a method brings of its own is not asked for in [fit] too."""
        method = self.inference.method
        own = {
            SgMcmc: ("optimizer", "learning_rate", "momentum", "schedule"),
            Hmc: ("optimizer", "learning_rate", "momentum", "schedule"),
            SnapshotEnsemble: ("schedule",),
        }.get(type(self.inference), ())
        for key in own:
            value, right = (
                getattr(self.fit, key),
                f"left out where inference.method is '{method}', which has steps of its own",
            )
            check(value == getattr(Fit(), key), f"fit.{key}", value, right)
            if key == "learning_rate":
                check(self.compress.learning_rate is None, "compress.learning_rate", self.compress.learning_rate, right)
        if isinstance(self.inference, SgMcmc):
            momentum = self.inference.momentum
            check(
                method == "sghmc" or momentum == SgMcmc().momentum,
                "inference.momentum",
                momentum,
                "left out where there is none",
            )

    def _check_nothing_fitted(self) -> None:
        right = "left out where inference.method is 'imported': nothing is fitted"
        plain = Fit(threads=self.fit.threads)
        key = next((each.name for each in fields(Fit) if getattr(self.fit, each.name) != getattr(plain, each.name)), "")
        check(not key, f"fit.{key}", getattr(self.fit, key, None), right)
        check(self.temperature == 1, "temperature", self.temperature, right)
        epochs = self.compress.fine_tune_epochs
        check(
            epochs == 0, "compress.fine_tune_epochs", epochs, "0 where inference.method is 'imported': it has no prior"
        )

    @property
    def members(self) -> int:
        """Of an ensemble: as asked for; else as many as the posterior is made of, or 20 draws."""
        return self.form.members or self._listed or DRAWS

    @property
    def _listed(self) -> int | None:
        """How many values the posterior is a list of; None where there is no end of draws."""
        if isinstance(self.inference, SgMcmc | Hmc):
            return self.inference.samples
        return self.inference.members if isinstance(self.inference, DeepEnsemble | SnapshotEnsemble) else None

    @property
    def predicts(self) -> str:
        """The form that ships."""
        return self.form.name or ("point" if self._one_value else "ensemble")

    @property
    def _one_value(self) -> bool:
        draws = isinstance(self.inference, Sqs) and self.inference.draws > 0
        return self.compress.target is not None or (isinstance(self.inference, Point | CodeLength | Sqs) and not draws)
