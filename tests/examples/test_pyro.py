import json
import sys
from pathlib import Path

import pytest

import bitsback
from examples.pyro.__main__ import main
from examples.pyro.training import save, train
from tests.cli.calls import caller


def test_what_was_imported_predicts_as_pyro_does(tmp_path, monkeypatch, capsys):
    words = ["pyro", "--output", str(tmp_path), "--steps", "150", "--draws", "60"]
    monkeypatch.setattr(sys, "argv", words)
    assert main() == 0
    *_, size, last = capsys.readouterr().out.splitlines()
    assert size.startswith(f"digits.bitsback: {(tmp_path / 'digits.bitsback').stat().st_size:,} bytes")
    found = json.loads(last)
    pyros, *others = found.values()
    assert pyros["accuracy"] > 0.9
    for name, figures in list(found.items())[1:4]:
        assert figures["accuracy"] == pytest.approx(pyros["accuracy"], abs=0.03), name
        assert figures["nll"] == pytest.approx(pyros["nll"], rel=0.15), name
        assert figures["ood_auroc_total"] == pytest.approx(pyros["ood_auroc_total"], abs=0.03), name
    assert others[-1]["accuracy"] > 0.9


def test_the_store_is_what_the_command_line_takes(tmp_path, monkeypatch, capsys):
    data = bitsback.dataset("digits", input_mean=(0,), input_std=(16,))
    train(data, 3)
    save(tmp_path / "store.pt")
    network = Path(__file__).resolve().parents[2] / "examples" / "pyro" / "network.py"
    words = ["--posterior", tmp_path / "store.pt", "--network", f"{network}:network", "--set", "data.input_mean=[0]"]
    monkeypatch.chdir(tmp_path)
    said = caller(capsys)("import", "run", *words, "--set", "data.input_std=[16]", "--json")
    assert json.loads(said.out)["source"] == "an AutoNormal guide of Pyro"
