"""What a recipe says of pruning: its part [compress]."""

import math
from dataclasses import dataclass, field
from typing import Literal

from bitsback.policy.choice import Policy
from bitsback.recipe.strict import STRICT, check
from bitsback.settings import check_whole


@dataclass(frozen=True)
class Target:
    """A size of the packed file, which is reached by training the weights to be few numbers; see `posterior.code_length`.

    Without a number of levels there are as many as the size leaves bits for: 5 where it leaves little more than one for each
    weight, and up to 63.

    Attributes:
        bytes: Of the whole file, or
        ratio: How many times smaller it is to be than the network's params and statistics in float32.
        distillation: The share of the loss that is to answer as the network did before, from 0 to 1.
    """

    __pydantic_config__ = STRICT
    bytes: int | None = None
    ratio: float | None = None
    distillation: float = 0.5
    softening: float = 2.0
    levels: int | None = None
    vector_levels: int = 15
    width: float = 0.15
    narrowing: float = 1.0
    level_rate: float = 0.1
    rise: float = 0.5
    crossed: bool = True

    def __post_init__(self) -> None:
        one = (self.bytes is None) != (self.ratio is None)
        check(one, "compress.target", {"bytes": self.bytes, "ratio": self.ratio}, "either bytes or a ratio")
        if self.bytes is not None:
            check_whole("compress.target.bytes", self.bytes, 1)
        within = self.ratio is None or 1 <= self.ratio < math.inf
        check(within, "compress.target.ratio", self.ratio, "a finite number, at least 1")
        shared = 0 <= self.distillation <= 1
        check(shared, "compress.target.distillation", self.distillation, "a number from 0 to 1")
        check(0 < self.softening < math.inf, "compress.target.softening", self.softening, "a number above 0")


@dataclass(frozen=True)
class Compress:
    """What goes, in how many cycles, and with how much training after each.

    Attributes:
        policy: Tables as below, or the name of a TOML file with these tables, relative to the recipe.
        target: A size that the packed file is to have, in place of a policy; the form that ships is the point then. Its
            training has as many epochs as the fit, or `fine_tune_epochs`.
        cycles: How often to prune, at least 1, in equal ratios of what is kept; more than 1 only with `fine_tune_epochs`.
        fine_tune_epochs: Passes over the training split under the mask after each pruning; 0 for none.
        learning_rate: Of this training; that of [fit] without one.
        weight_decay: Likewise.
        masks: A safetensors file of zeros and ones by param name, or the folder of a run whose pruned network has them,
            relative to the recipe, in place of the policy.
        start: Where each of several chains starts that is trained inside a structure that a run has: at its "own" weights, at
            those of the "structure", as a single network can too, or at "fresh" ones, drawn anew and made larger by as much
            as keeps the variance of each output.
        shared: Patterns over the names of params and buffers, such as "conv1.*", that stay as they are: all members have them
            in common, and what depends on nothing else is computed once.
        shared_from: What these are: "structure", that run's weights, or "mean", the mean of the members' own, for members that
            began at the same weights, such as published ones.
    """

    __pydantic_config__ = STRICT
    policy: Policy = field(default_factory=Policy)
    target: Target | None = None
    cycles: int = 1
    fine_tune_epochs: int = 0
    learning_rate: float | None = None
    weight_decay: float | None = None
    masks: str | None = None
    start: Literal["own", "fresh", "structure"] = "own"
    shared: tuple[str, ...] = ()
    shared_from: Literal["structure", "mean"] = "structure"

    def __post_init__(self) -> None:
        check_whole("compress.cycles", self.cycles, 1)
        check_whole("compress.fine_tune_epochs", self.fine_tune_epochs, 0)
        for name, least in (("learning_rate", "above 0"), ("weight_decay", "at least 0")):
            value = getattr(self, name)
            within = value is None or (0 <= value < math.inf and (value > 0 or name == "weight_decay"))
            check(within, f"compress.{name}", value, f"a finite number, {least}")
        alone = self.target is None or (self.masks is None and self.cycles == 1 and not self.shared)
        check(alone, "compress.target", "a size", "left out beside masks, cycles and what is shared")
        own = self.masks is None or self.cycles == 1
        check(own, "compress.cycles", self.cycles, "1 where compress.masks says what goes")
        trains, what = self.fine_tune_epochs > 0, "left out unless compress.fine_tune_epochs trains inside a structure"
        check(trains or self.start == "own", "compress.start", self.start, what)
        check(trains or not self.shared, "compress.shared", list(self.shared), what)
        means = self.shared_from == "mean"
        check(
            not means or bool(self.shared), "compress.shared_from", self.shared_from, "left out where nothing is shared"
        )
        apart = not means or self.start != "structure"
        check(apart, "compress.shared_from", self.shared_from, "'structure' where compress.start is 'structure'")
        recovers = self.cycles == 1 or self.fine_tune_epochs > 0
        check(recovers, "compress.cycles", self.cycles, "1 unless compress.fine_tune_epochs trains after each cycle")
