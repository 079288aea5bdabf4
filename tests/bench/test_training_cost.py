import time

import pytest
import torch

from bench import training_cost
from bench.training_cost import _BATCH, _OPTIMIZERS, _alternate, _library, _plain, _row
from bitsback.posterior.loop import Examples
from examples.weight_pruning.methods import METHODS


def test_a_step_of_either_side_is_one_step_of_the_studys_own_configuration(monkeypatch):
    monkeypatch.setattr(training_cost, "_DATA", 300)
    examples = Examples(torch.randn(300, 1, 28, 28), torch.randint(0, 10, (300,)))
    method = METHODS["bayes_by_backprop"]
    assert _OPTIMIZERS["adam"] == method.optimization
    library = _library(examples, method.optimization, method.inference, compiled=False)
    assert library()
    loop = library.__self__
    assert (loop.state.step, loop.batch) == (1, _BATCH)
    assert sum(v.numel() for n, v in loop.state.variables.items() if n.startswith("mean/")) == 784 * 500 + 500 * 500 + (
        500 * 10 + 1010
    )
    _plain(examples, method.optimization, compiled=False)()


def test_sides_take_turns_in_blocks_of_steps_and_are_timed_per_step():
    order = []

    def slow():
        order.append("slow")
        until = time.process_time() + 0.002
        while time.process_time() < until:
            pass

    seconds = _alternate({"slow": slow, "fast": lambda: order.append("fast")}, rounds=3, block=2)
    assert order[6:] == ["slow", "slow", "fast", "fast"] * 3  # after three steps each to warm up
    assert len(seconds["slow"]) == len(seconds["fast"]) == 3
    assert min(seconds["slow"]) == pytest.approx(0.002, rel=0.2)
    assert max(seconds["fast"]) < 0.001


def test_a_row_is_the_median_with_its_quartiles():
    found = _row("step_seconds", torch.tensor([1.0, 2.0, 3.0, 4.0, 9.0]).numpy(), "s", {"side": "eager"})
    assert (found.value, found.spread, found.repeats) == (3.0, (2.0, 4.0), 5)
