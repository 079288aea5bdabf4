import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

import bitsback
from bitsback.posterior.store import load

WORDS = [
    *("--set", "data.limit=300", "--set", "network.options.hidden=[12]", "--set", "fit.batch=50", "--epochs", "60"),
    *("--set", "fit.compile=false"),
]


def test_a_fit_that_was_killed_goes_on_to_the_same_posterior(call, tmp_path):
    assert call("fit", "whole", *WORDS).code == 0
    command = [sys.executable, "-m", "bitsback", "fit", "killed", *WORDS, "--set", "fit.checkpoint_seconds=0"]
    source = str(Path(bitsback.__file__).parents[1])
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
    )
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    _wait_for(lambda: checkpoint.exists() or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (tmp_path / "killed" / "posterior.safetensors").exists()
    assert call("fit", "killed").code == 0
    whole, killed = (load(tmp_path / name / "posterior.safetensors") for name in ("whole", "killed"))
    for name, (mean, var) in whole.posterior.marginals().items():
        assert torch.equal(mean, killed.posterior.marginals()[name].mean)
        assert torch.equal(var, killed.posterior.marginals()[name].var)
    assert [entry["nll"] for entry in whole.history] == [entry["nll"] for entry in killed.history]
    assert not checkpoint.exists()


def _wait_for(happened, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
