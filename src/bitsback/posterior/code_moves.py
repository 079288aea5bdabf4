"""How the variables of `code_length` move: an optimizer's steps, what follows in closed form, and the price of a nat."""

import math
from typing import TYPE_CHECKING

import torch

from bitsback.given.params import Params
from bitsback.posterior.following import FollowingMoves

if TYPE_CHECKING:
    from bitsback.posterior.code_length import Target

_EVERY = 4
"""Steps from one count of the symbols to the next, over which they hardly change."""
_MEASURED = 25
"""How often in a run the file is measured, beside what the counts say of it."""
_FIRST_PRICE, _LEAST_PRICE, _MOST_PRICE = 0.05, 1e-4, 1e4
_AT_ONCE = 10.0
"""By how much more it is, as a logarithm, while the file is twice too large."""
_GAIN, _MOST_GAIN, _FALLING = 50.0, 0.1, 4.0
"""By how much the price rises, as a logarithm, over a run in which the file is twice too large; and at most at a count; and
how many times faster it falls: what is gone comes back slowly."""


class CodeMoves(FollowingMoves):
    """An optimizer's moves, and before each of them what follows in closed form.

    The price is what the run's temperature says, from 0 on; where a size is asked for it follows a course of sizes instead: too
    large a file makes it rise. What the counts say of the size is corrected now and then by what it is.
    """

    @staticmethod
    def start(target: "Target | None") -> Params:
        """What is remembered from step to step, so that a run that was killed goes on as it would have."""
        first = {"nat": 0.0, "turn": 0.0}
        if target is not None:
            first |= {"nat": _FIRST_PRICE, "base": _FIRST_PRICE, "measured": -1.0, "factor": 1.0, "first": 0.0}
        return {f"price/{name}": torch.tensor(value) for name, value in first.items()}

    def follow(self, done: float) -> None:
        """Narrows the widths, counts the symbols, and sets the price."""
        settings, turn = self.objective.settings, self.variables["price/turn"]
        width = settings.width * (1 - (1 - settings.narrowing) * done)
        for name in self.objective.coded:
            self.variables[f"width/{name}"].copy_(width * self.objective.scale(name))
        if settings.target is None:
            self.variables["price/nat"].fill_(min(done / settings.rise, 1.0) if settings.rise else 1.0)
        if int(turn) % _EVERY == 0:
            self.objective.refresh(self.variables)
            if settings.target is not None:
                self._steer(settings.target, done)
        turn += 1

    @torch.no_grad()
    def seen(self, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """The price of a nat, and the bytes that the most probable symbols take, of a run that is to reach a size."""
        found = super().seen(optimizer)
        if self.objective.settings.target is None:
            return found
        return {**found, "price": float(self.variables["price/nat"].detach()), "bytes": self._bytes()}

    def _steer(self, target: "Target", done: float) -> None:
        price, base, turn, measured, first = (
            self.variables[f"price/{name}"] for name in ("nat", "base", "turn", "measured", "first")
        )
        if math.floor(done * _MEASURED) > float(measured):
            measured.fill_(math.floor(done * _MEASURED))
            centre = self.objective.posterior(self.variables, {}).values
            size, counted = target.measure(centre), self._bytes()
            self.variables["price/factor"].mul_(size / max(counted, 1.0))
            if done == 0:
                first.fill_(size)
        rise = self.objective.settings.rise
        left = max(1 - done / rise, 0.0) if rise else 0.0
        goal = target.bytes * max(float(first) / target.bytes, 1.0) ** (left**2)
        error = min(max(self._bytes() / goal - 1, -1.0), 1.0)
        gain = min(_GAIN * _EVERY * done / max(float(turn), 1.0), _MOST_GAIN)
        gain *= _FALLING if error < 0 else 1.0
        base.mul_(math.exp(gain * error)).clamp_(_LEAST_PRICE, _MOST_PRICE)
        price.copy_(base * math.exp(_AT_ONCE * error))

    def _bytes(self) -> float:
        """What the counts say, corrected."""
        return (
            float(self.variables["price/factor"].detach()) * self.objective.length(self.variables) / (8 * math.log(2))
        )
