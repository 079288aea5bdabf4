"""Exact binomial tails, without scipy: what a count of errors says about an error rate."""

import math

import numpy as np


def lower_tail(count: int, trials: int, rate: float) -> float:
    """P(X ≤ count) for X ~ Binomial(trials, rate), summed in logarithms.

    It is a p-value of "the error rate is above `rate`": if it is, the chance of a tail of at most δ is at most δ.

    Args:
        count: errors seen, 0..trials.
        trials: samples seen; 1 is returned for 0.
        rate: between 0 and 1, neither included.
    """
    taken = np.arange(1, count + 1)
    choose = np.concatenate([[0.0], np.cumsum(np.log((trials - taken + 1) / taken))])
    each = np.arange(count + 1)
    logs = choose + each * math.log(rate) + (trials - each) * math.log1p(-rate)
    top = logs.max()
    return min(1.0, float(np.exp(top) * np.exp(logs - top).sum()))


def fewest_trials(rate: float, chance: float) -> int:
    """The least n for which n samples without an error reject "the error rate is above `rate`": (1 − rate)^n ≤ chance.

    Args:
        rate: between 0 and 1, neither included.
        chance: δ, how often the rejection may be mistaken.
    """
    return math.ceil(math.log(chance) / math.log1p(-rate))
