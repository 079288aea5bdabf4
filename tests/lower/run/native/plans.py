"""Small plans of every kind of step, and files that lie about them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.members import MemberProduct, MemberWeights
from bitsback.lower.run.native.plan import (
    Average,
    Factored,
    Halves,
    Largest,
    Map,
    Plan,
    Product,
    Rank1,
    Rectify,
    Sum,
    View,
    Weights,
)
from bitsback.lower.run.native.record import plan_from, plan_record

SHAPE = (2, 6, 5)


def weights(outputs: int, rows: int, columns: int, inputs: int, var: str) -> Weights:
    draw = np.random.default_rng(outputs)
    shape = (outputs, rows, columns, inputs)
    mean, each = (draw.normal(size=shape).astype(np.float32), draw.uniform(size=shape).astype(np.float32))
    rank1 = Rank1(each[0], each[:, 0, 0, 0])
    if var == "halves":
        mean = (mean.view(np.uint32) & 0xFFFF0000 | each.view(np.uint32) >> 16).view(np.float32)
    bias = draw.normal(size=outputs).astype(np.float32)
    return Weights(
        mean,
        bias,
        {"none": None, "each": each, "product": rank1, "halves": Halves(), "factored": Factored(rank1, rank1)}[var],
        bias**2 if var != "none" else 0 * bias,
    )


def plan() -> Plan:
    """A convolution, a ReLU, a shortcut, two pools and a linear layer, over Gaussians."""
    steps = (
        Product(0, 1, weights(8, 3, 3, 2, "each"), (1, 1), (1, 1), 0.5),
        Rectify(1, 2),
        Product(2, 3, weights(16, 1, 1, 8, "factored"), (2, 2), (0, 0)),
        Sum(View(3), View(2, (2, 2), 8), 4, 2.0),
        Largest(4, 5, (2, 1), (1, 2)),
        Average(5, 6, 1.5),
        Product(6, 7, weights(3, 1, 1, 16, "halves")),
    )
    maps = (
        Map(6, 5, 2),
        Map(6, 5, 8),
        Map(6, 5, 8),
        Map(3, 3, 16),
        Map(3, 3, 16),
        Map(2, 2, 16),
        Map(1, 1, 16),
        Map(1, 1, 3),
    )
    ones, random = np.ones(3, np.float32), (False, *(True,) * 7)
    points = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    mean, scale = np.float32([1, 2]), np.float32([0.5])
    of_outputs = (ones, 0 * ones, 0 * ones)
    return Plan("classification", SHAPE, mean, scale, steps, maps, random, points, *of_outputs, correlated=True)


def sure() -> Plan:
    """An average of a convolution of points, for a regression."""
    zeros, one = np.zeros(8, np.float32), np.ones(1, np.float32)
    steps = (Product(0, 1, weights(8, 3, 3, 2, "none"), (2, 1), (0, 1)), Average(1, 2))
    maps, points = (Map(6, 5, 2), Map(2, 5, 8), Map(1, 1, 8)), np.zeros((1, 8), np.float32)
    return Plan("regression", SHAPE, 0 * one, one, steps, maps, (False,) * 3, points, zeros + 2, zeros, zeros + 0.5)


def members() -> Plan:
    """A convolution that three members share, one of their own with groups, a sum of both, and a linear layer of their own."""
    draw = np.random.default_rng(0)

    def own(outputs: int, rows: int, columns: int, inputs: int, groups: int = 1) -> MemberWeights:
        values = draw.integers(-3, 4, (3, outputs, rows, columns, inputs // groups)).astype(np.int8)
        values[:, :, 0, 0, 0] = 0
        sides = (draw.normal(size=(3, outputs)).astype(np.float32) for _ in range(2))
        return MemberWeights(values, *sides, groups)

    steps = (
        Product(0, 1, weights(8, 3, 3, 2, "none"), (1, 1), (1, 1)),
        MemberProduct(1, 2, own(8, 3, 3, 8, 4), (2, 2), (1, 1), rectified=True),
        Sum(View(2), View(1, (2, 2)), 3, width=8, rectified=True),
        Average(3, 4),
        MemberProduct(4, 5, own(3, 1, 1, 8)),
    )
    maps = (Map(6, 5, 2), Map(6, 5, 8), Map(3, 3, 64), Map(3, 3, 64), Map(1, 1, 64), Map(1, 1, 24))
    ones, few = np.ones(3, np.float32), np.ones(1, np.float32)
    stacked = (False, False, True, True, True, True)
    return Plan(
        "classification", SHAPE, few, few, steps, maps, (False,) * 6, np.zeros((3, 3), np.float32), ones, 0 * ones, 0 * ones,
        members=3, stacked=stacked,
    )  # fmt: skip


def check_refused(made: Plan, change: Callable[[Any, Any], object], said: str) -> None:
    """A plan's record is refused once it was changed."""
    content, tensors = copy.deepcopy(plan_record(made))
    change(content, tensors)
    with pytest.raises(ArtifactError, match=said):
        plan_from(content, tensors)
