"""What a recipe says of pruning: its part [compress]."""

import math
from dataclasses import dataclass, field
from typing import Literal

from bitsback.policy.choice import Policy
from bitsback.recipe.strict import STRICT, check
from bitsback.settings import check_whole


@dataclass(frozen=True)
class Compress:
    """What goes, in how many cycles, and with how much training after each.

    Attributes:
        policy: Tables as below, or the name of a TOML file with these tables, relative to the recipe.
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
