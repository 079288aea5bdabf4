"""The study on tiny images: the whole way from training to tables, and that it is never done twice."""

import json
from pathlib import Path

import pytest

from bitsback.measure.journal import Journal
from examples.weight_pruning import __main__ as study
from examples.weight_pruning.methods import METHODS, SPARSITIES
from tests.given.files import digits_like, write_idx_set


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, seed in (("mnist", 0), ("fashion-mnist", 2)):
        train, test = (
            digits_like(300, classes=10, size=28, seed=seed),
            digits_like(50, classes=10, size=28, seed=seed + 1),
        )
        write_idx_set(tmp_path / "data" / name, train=train, test=test)

    def run(*arguments: str) -> int:
        own = [
            "--data",
            str(tmp_path / "data"),
            "--journal",
            str(tmp_path / "rows.jsonl"),
            "--work",
            str(tmp_path / "work"),
        ]
        monkeypatch.setattr("sys.argv", ["weight_pruning", *own, *arguments])
        return study.main()

    return run


def test_a_job_measures_everything_once(call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "--dataset",
        "mnist",
        "--method",
        "bayes_by_backprop",
        "--method",
        "dropout_0.5",
        "--seed",
        "0",
        "--epochs",
        "2",
    ]
    assert call(*asked) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    percents = {f"{100 * sparsity:g}" for sparsity in SPARSITIES}
    assert set(summary["mnist"]) == {"bayes_by_backprop", "dropout_0.5"}
    assert all(set(values) == percents for values in summary["mnist"].values())
    rows = Journal(tmp_path / "rows.jsonl").read()
    whats = {row.what for row in rows if row.of["method"] == "bayes_by_backprop"}
    assert {"accuracy", "predictive_accuracy", "nll", "ood_auroc_total", "epoch_seconds", "kl", "temperature"} <= whats
    assert {"loss_curve", "weight_histogram", "snr_histogram", "survival_auroc", "latency", "latency_ratio"} <= whats
    assert call(*asked) == 0
    assert len(Journal(tmp_path / "rows.jsonl").read()) == len(rows)
    assert call("--report", str(tmp_path / "pages" / "study.html")) == 0
    page = (tmp_path / "pages" / "study.html").read_text("utf-8")
    assert all(f'id="figure-{each}-mnist"' in page for each in ("accuracy", "nll", "weights", "std", "snr", "latency"))


@pytest.mark.parametrize("asked", [["--summary"], ["--report", "page.html"]])
def test_nothing_is_made_of_nothing(call, asked: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*asked) == 2
    assert "no rows" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))


def test_every_method_prunes_by_what_it_has() -> None:
    assert all(
        method.saliencies[0] == ("snr" if name == "bayes_by_backprop" else "magnitude")
        for name, method in METHODS.items()
    )
