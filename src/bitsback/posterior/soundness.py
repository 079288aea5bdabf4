"""Whether the numbers of a posterior can be those of one."""

import math

import torch

from bitsback.given.params import Params


def fault(what: str, values: Params, least: float = -math.inf) -> str | None:
    """The first number that cannot be, in words.

    Args:
        what: what the values are, such as "variance".
        values: by param name.
        least: the least that they can be.
    """
    for name, value in values.items():
        wrong = value[~(torch.isfinite(value) & (value >= least))]
        if len(wrong):
            right = "a finite number" if least == -math.inf else f"a finite number, at least {least:g}"
            return f"a {what} of '{name}' is {float(wrong[0]):g}; it must be {right}"
    return None
