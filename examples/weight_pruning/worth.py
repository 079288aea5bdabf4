"""What the posterior is worth: pruned to a tenth of its weights, beside the best SGD network with all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean

from bitsback.report.evidence import select
from bitsback.report.quantity import quantity, shown
from examples.weight_pruning.evidence import Rows, over_seeds, percent
from examples.weight_pruning.methods import METHODS

POSTERIOR, PRUNED = "bayes_by_backprop", 0.9

# What is compared, each with the figure of a point that it is set beside. A point has no knowledge uncertainty, and 0.5 would
# be no opponent: there its total uncertainty stands.
_OPPONENTS = {
    "nll": "nll",
    "ece": "ece",
    "ood_auroc_total": "ood_auroc_total",
    "ood_auroc_knowledge": "ood_auroc_total",
}


@dataclass(frozen=True)
class Duel:
    """One figure of the pruned posterior beside the best of the unpruned SGD networks.

    Attributes:
        what: the posterior's figure.
        opponent: the baseline's figure.
        posterior: the posterior's values, one a seed.
        baseline: the values of the SGD method whose mean is best, one a seed.
        method: that method.
    """

    what: str
    opponent: str
    posterior: tuple[float, ...]
    baseline: tuple[float, ...]
    method: str

    @property
    def lead(self) -> float:
        """By how much the posterior's mean is better; negative where it is worse."""
        difference = mean(self.posterior) - mean(self.baseline)
        return difference if quantity(self.what).better == "higher" else -difference

    @property
    def winner(self) -> str:
        """The title of the method whose mean is better; empty where they are the same."""
        if self.lead == 0:
            return ""
        return METHODS[POSTERIOR if self.lead > 0 else self.method].title

    @property
    def clear(self) -> bool:
        """Whether the two ranges over seeds are apart."""
        return max(self.posterior) < min(self.baseline) or max(self.baseline) < min(self.posterior)

    @property
    def told(self) -> str:
        """One line of text: `NLL 0.0508 against 0.0621`."""
        kind = quantity(self.what).kind
        other = " (its total)" if self.opponent != self.what else ""
        mine, theirs = shown(mean(self.posterior), kind), shown(mean(self.baseline), kind)
        return f"{quantity(self.what).name} {mine} against {theirs}{other}"


def duels(rows: Rows) -> list[Duel]:
    """Every figure that both sides have among the rows of one data set."""
    found = (_duel(rows, what, opponent) for what, opponent in _OPPONENTS.items())
    return [duel for duel in found if duel is not None]


def verdict(found: Iterable[Duel]) -> str:
    """In how many figures the posterior is better, and where it is not, in one sentence."""
    found = list(found)
    lost = [duel for duel in found if duel.lead <= 0]
    won = f"{len(found) - len(lost)} of {len(found)} figures"
    start = f"{METHODS[POSTERIOR].title}, {percent(PRUNED)} pruned, beats the best unpruned SGD in {won}"
    return start + (f"; not in {', '.join(quantity(duel.what).name for duel in lost)}." if lost else ".")


def _duel(rows: Rows, what: str, opponent: str) -> Duel | None:
    mine = _values(rows, what, PRUNED).get(POSTERIOR)
    others = {name: each for name, each in _values(rows, opponent, 0.0).items() if name.startswith("sgd")}
    if not mine or not others:
        return None
    choose = max if quantity(what).better == "higher" else min
    best = choose(others, key=lambda name: mean(others[name]))
    return Duel(what, opponent, tuple(mine), tuple(others[best]), best)


def _values(rows: Rows, what: str, sparsity: float) -> dict[str, list[float]]:
    """The figure of every method, pruned by its own saliency."""
    found = over_seeds(select(rows, what, sparsity=sparsity), what, "method", "saliency")
    return {
        str(method): values
        for (method, saliency), values in found.items()
        if method in METHODS and saliency == METHODS[str(method)].own_saliency
    }
