"""What one epoch of mean-field inference costs beside one of plain SGD, in one run.

    python -m bench.training_cost            appends rows to results/training_cost.jsonl
    python -m bench.training_cost --quick    at most a minute, nothing is written; last line JSON

Both sides train the study's network (MLP 784-500-500-10, batch 100) from tensors in memory with the same optimizer and one
thread. The baseline is a plain PyTorch loop, eager or compiled, whichever is faster; mean-field inference runs in the
library's own training loop, with everything it does. Blocks of steps alternate. Time is the process's CPU time: with one
thread it is what an idle machine's clock would show, whoever else shares this one.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.measure.journal import Journal, Measurement, stamp
from bitsback.measure.provenance import provenance
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings, Loop
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from examples.weight_pruning.methods import BATCH, METHODS

_BATCH, _DATA = BATCH, 6000
_STUDY = METHODS["bayes_by_backprop"]
assert isinstance(_STUDY.inference, MeanField)
_OPTIMIZERS = {
    "adam": _STUDY.optimization,
    "sgd": Optimization("sgd", 1e-3, momentum=0.9),
}
_METHODS = {
    "weight_sampling": _STUDY.inference,
    "local_reparametrization": replace(_STUDY.inference, estimator="local_reparametrization"),
}
Step = Callable[[], object]


def main() -> None:
    """Measures and prints; writes rows unless quick."""
    parser = argparse.ArgumentParser(prog="python -m bench.training_cost")
    parser.add_argument("--quick", action="store_true", help="the study's configuration only, few repeats, no rows")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    examples = Examples(torch.randn(_DATA, 1, 28, 28), torch.randint(0, 10, (_DATA,)))
    rows = []
    for optimizer in ["adam"] if quick else _OPTIMIZERS:
        rows += _measure(examples, optimizer, ["weight_sampling"] if quick else list(_METHODS), 12 if quick else 40)
    if not quick:
        command = shlex.join(["python", "-m", "bench.training_cost", *sys.argv[1:]])
        Journal(Path("results/training_cost.jsonl")).append(stamp(rows, provenance(command, 0)))
    for row in rows:
        print(f"{row.what} {dict(row.of)}: {row.value:.3g} {row.unit}, quartiles {row.spread}", file=sys.stderr)
    print(json.dumps({"mean_field_vs_sgd": next(row.value for row in rows if row.what == "mean_field_vs_sgd")}))


def _measure(examples: Examples, optimizer: str, methods: list[str], rounds: int) -> list[Measurement]:
    optimization = _OPTIMIZERS[optimizer]
    sides: dict[str, Step] = {
        "eager": _plain(examples, optimization, compiled=False),
        "compiled": _plain(examples, optimization, compiled=True),
    }
    sides |= {name: _library(examples, optimization, _METHODS[name]) for name in methods}
    seconds = _alternate(sides, rounds, block=12)
    baseline = min(("eager", "compiled"), key=lambda name: float(np.median(seconds[name])))
    rows = []
    for name, each in seconds.items():
        of = {"side": name, "optimizer": optimizer, "batch": _BATCH}
        rows.append(_row("step_seconds", np.asarray(each), "s", of))
        if name in methods:
            of = {"estimator": name, "optimizer": optimizer, "batch": _BATCH}
            rows.append(_row("mean_field_vs_sgd", np.asarray(each) / np.asarray(seconds[baseline]), "x", of))
    return rows


def _row(what: str, values: np.ndarray, unit: str, of: dict[str, str | int]) -> Measurement:
    low, middle, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    return Measurement(what, middle, unit, of, repeats=len(values), spread=(low, high))  # pyright: ignore[reportArgumentType]


def _alternate(sides: dict[str, Step], rounds: int, block: int) -> dict[str, list[float]]:
    for step in sides.values():
        for _ in range(3):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            start = time.process_time()
            for _ in range(block):
                step()
            seconds[name].append((time.process_time() - start) / block)
    return seconds


def _plain(examples: Examples, optimization: Optimization, compiled: bool) -> Step:
    network = mlp((1, 28, 28), 10, hidden=(500, 500))
    optimizer = optimization.build(list(network.parameters()))
    loss = nn.CrossEntropyLoss()

    def objective(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return loss(network(inputs), targets)

    function = torch.compile(objective, dynamic=False) if compiled else objective
    order = torch.randperm(_DATA)

    def step() -> None:
        nonlocal order
        chosen, order = order[:_BATCH], order.roll(-_BATCH)
        optimizer.zero_grad()
        function(examples.inputs[chosen], examples.targets[chosen]).backward()
        optimizer.step()

    return step


def _library(
    examples: Examples, optimization: Optimization, method: MeanField, compiled: bool = True
) -> Callable[[], bool]:
    network = trace(mlp((1, 28, 28), 10, hidden=(500, 500)), (1, 28, 28), train=True)
    settings = FitSettings(10_000, _BATCH, optimization, compile=compiled)
    objective = method.objective(network, Likelihood("classification", 10), {})
    return Loop(objective, network, examples, settings).step


if __name__ == "__main__":
    main()
