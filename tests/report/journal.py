"""A small made-up journal that has every row the report knows."""

import numpy as np

from bitsback.measure.journal import Measurement

DENSE = {"stage": "dense", "form": "point"}
POINT = {"stage": "compressed", "form": "point", "sparsity": 0.9}
ENSEMBLE = {"stage": "compressed", "form": "ensemble", "sparsity": 0.9}
NETWORKS = (DENSE, POINT, ENSEMBLE)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> $\\frac{x$ & \x00\x1b \u202e 日本 {{ 7*7 }}"


def row(what, value=None, series=None, repeats=1, spread=None, **of):
    return Measurement(
        what,
        value,
        "",
        of=of,
        repeats=repeats,
        spread=spread,
        series=series,
        device="a processor, 1 thread",
        command="bitsback run recipe.toml",
        seed=3,
        commit="0123456789abcdef",
        dirty=False,
        versions={"python": "3.11.2", "numpy": "2.4.0"},
        time="2026-01-02T03:04:05+00:00",
    )


def cost():
    rows = []
    sizes, kept_weights = (2e6, 2e5, 1e6), (1000, 100, 100)
    for of, size, seconds, kept in zip(NETWORKS, sizes, (1e-4, 8e-5, 4e-4), kept_weights, strict=True):
        rows += [
            row("file_bytes", size, **of),
            row("latency", seconds, repeats=50, spread=(seconds * 0.9, seconds * 1.2), batch=1, **of),
            row("parameters", 1000, **of),
            row("kept_parameters", kept, **of),
        ]
    return [*rows, *(row("latency_ratio", share, batch=1, **of) for share, of in ((0.9, POINT), (3.9, ENSEMBLE)))]


def quality():
    names = ("accuracy", "nll", "brier", "ece", "ood_auroc_total", "misclassification_auroc_total", "aurc_total")
    return [row(name, 0.9 + 0.01 * i, split="test", **of) for i, of in enumerate(NETWORKS) for name in names]


def sweep():
    return [
        row(what, 1.0 - share**2, sweep=True, sparsity=share, saliency=saliency, **DENSE)
        for what in ("accuracy", "nll", "ood_auroc_total")
        for saliency in ("snr", "magnitude")
        for share in (0.0, 0.5, 0.9, 0.98)
    ]


def trust():
    bins = np.linspace(0.1, 1.0, 10)
    edges = np.linspace(0.0, 2.0, 11)
    rows = []
    for of in NETWORKS:
        reliability = {
            "confidence": [None, *bins[1:]],
            "accuracy": [None, *bins[1:]],
            "count": [0, *range(1, 10)],
        }
        rows.append(row("reliability", series=reliability, **of))
        rows.append(row("risk_coverage", series={"coverage": bins.tolist(), "risk": (bins / 10).tolist()}, **of))
        for score in ("total", "knowledge"):
            series = {"edges": edges.tolist(), "inside": list(range(10, 0, -1)), "outside": list(range(10))}
            rows.append(row("uncertainty_histogram", series=series, score=score, **of))
    return rows


def examples(count=3):
    kinds = ["right", "wrong", "declined"][:count]
    series = {
        "kind": kinds,
        "pixels": [[0, 255, 128, 7, 9, 11]] * count,
        "shape": [[1, 2, 3]] * count,
        "label": ["three"] * count,
        "answer": ["three"] * count,
        "probability": [0.7] * count,
        "total": [0.5] * count,
        "knowledge": [0.25] * count,
    }
    return [row("examples", series=series, **ENSEMBLE)]


def robustness():
    return [
        row(what, 0.9 - level, perturbation=kind, level=level, **of)
        for of in NETWORKS
        for what in ("accuracy", "nll")
        for kind in ("noise", "fgsm", "pgd")
        for level in (0.1, 0.2)
    ]


def layers():
    series = {
        "name": ["0.weight", "0.bias"],
        "shape": [[30, 20], [30]],
        "parameters": [600, 30],
        "kept": [60, 30],
        "bytes": [240, 120],
    }
    return [row("layers", series=series, **POINT)]


def weights():
    edges = np.linspace(-2.0, 2.0, 9).tolist()
    x = np.linspace(-1.0, 1.0, 21)
    rows = [row("prior_density", series={"x": x.tolist(), "density": np.exp(-(x**2)).tolist()}, **DENSE)]
    for layer in ("0.weight", "2.weight"):
        rows.append(
            row("weight_histogram", series={"edges": edges, "count": [1, 2, 3, 4, 4, 3, 2, 1]}, layer=layer, **DENSE)
        )
        series = {"edges": edges, "count": [8] * 8, "kept": [0, 0, 0, 0, 1, 2, 3, 4]}
        rows.append(row("snr_histogram", series=series, layer=layer, **POINT))
    return rows


def training():
    series = {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "nll": [2.0, 1.0, 0.5], "kl": [1.0, 2.0, 3.0]}
    return [
        row("loss_curve", series=series, **DENSE),
        row("temperature", 1.0, **DENSE),
        row("kl", 1234.5, **DENSE),
        row("epoch_seconds", 2.5, repeats=3, spread=(2.4, 2.6), **DENSE),
    ]


PARTS = {
    "cost": cost,
    "quality": quality,
    "sparsity": sweep,
    "trust": trust,
    "examples": examples,
    "robustness": robustness,
    "layers": layers,
    "weights": weights,
    "training": training,
}


def full():
    return [one for part in PARTS.values() for one in part()]
