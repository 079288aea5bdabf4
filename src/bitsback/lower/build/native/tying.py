"""Variances that are stored as a product of a factor per input and one per output, instead of one number a weight.

Many posteriors hardly tell the variances of neighbouring weights apart. In product form a layer reads half as many bytes, and
the sum Σ e s of `product` is one for all outputs.
"""

from dataclasses import replace

import numpy as np

from bitsback.lower.run.native.plan import Plan, Product, Rank1


def tied(plan: Plan) -> Plan:
    """The plan with every layer's variances in product form.

    Each input's and each output's sum of variances stays what it was, and so does the mean over outputs of the variance that a
    layer adds.
    """
    changes = {
        index: replace(step, weights=replace(step.weights, var=_rank1(step.weights.var)))
        for index, step in enumerate(plan.steps)
        if isinstance(step, Product) and isinstance(step.weights.var, np.ndarray)
    }
    return plan.changed(changes)


def _rank1(var: np.ndarray) -> Rank1:
    """The product with the sums of `[O, KH, KW, I]` over outputs and over inputs."""
    inputs, outputs = var.sum(0, dtype=np.float64), var.sum((1, 2, 3), dtype=np.float64)
    root = max(float(np.sqrt(outputs.sum())), np.finfo(np.float64).tiny)
    return Rank1((inputs / root).astype(np.float32), (outputs / root).astype(np.float32))
