"""A made-up journal of the study: every method, two seeds, one data set."""

import numpy as np

from bitsback.measure.journal import Measurement
from examples.weight_pruning.methods import EPOCHS, METHODS, SPARSITIES


def row(what, value=None, method="sgd", *, seed=0, series=None, **of):
    of = {"dataset": "mnist", "method": method, "epochs": METHODS[method].epochs or EPOCHS, **of}
    return Measurement(what, value, "", of=of, seed=seed, series=series)


def quality(what, value, method="sgd", sparsity=0.0, *, seed=0, dataset="mnist"):
    own = METHODS[method].own_saliency
    return row(what, value, method, seed=seed, sparsity=sparsity, saliency=own, dataset=dataset)


def curve(accuracies, seconds=10.0, method="sgd", seed=0):
    count = len(accuracies)
    series = {"epoch": list(range(1, count + 1)), "seconds": [seconds] * count, "test_accuracy": accuracies}
    series |= {"loss": [1.0 / (epoch + 1) for epoch in range(count)]}
    return row("loss_curve", None, method, seed=seed, series={**series, "nll": series["loss"]})


def full():
    rows = []
    for method in METHODS:
        for seed in (0, 1):
            rows += [curve([0.9, 0.98], method=method, seed=seed), row("epoch_seconds", 10.0 + seed, method, seed=seed)]
            rows += [row("kl", 1e5, method, seed=seed), *histograms(method, seed)]
            rows += [quality("accuracy", 0.98 - share / 10, method, share, seed=seed) for share in SPARSITIES]
            rows += [
                quality(what, 0.05, method, share, seed=seed)
                for what in ("nll", "ece", "brier", "ood_auroc_total", "ood_auroc_knowledge", "confident_errors")
                for share in (0.0, 0.9)
            ]
        rows += [row("latency", 1e-4, method, sparsity=0.0)]
        rows += [row("latency_ratio", 1.0, method, sparsity=share) for share in SPARSITIES[1:]]
    return rows


def histograms(method, seed):
    series = {"edges": np.linspace(-2, 1, 7).tolist(), "count": [1, 5, 9, 5, 3, 1], "kept": [0, 0, 0, 1, 3, 1]}
    made = [row("weight_histogram", None, method, seed=seed, series=series)]
    if method != "bayes_by_backprop":
        return made
    scores = {"std": 0.2, "mean": 0.99}
    made += [row("survival_auroc", score, method, seed=seed, predicted_by=by) for by, score in scores.items()]
    return made + [row(f"{what}_histogram", None, method, seed=seed, series=series) for what in ("std", "snr")]
