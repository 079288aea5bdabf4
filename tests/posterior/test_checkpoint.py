import dataclasses
import json

import pytest
import safetensors.torch
import torch

from bitsback.errors import RunError
from bitsback.posterior import checkpoint, tensor_file
from bitsback.posterior.checkpoint import TrainingState
from bitsback.posterior.optimization import Optimization


def state():
    return TrainingState(
        variables={"mean/a.weight": torch.randn(3, 2), "log_noise": torch.zeros(0)},
        buffers={"norm.count": torch.tensor(3), "norm.mean": torch.randn(4)},
        optimizer={"0.exp_avg": torch.randn(3, 2), "0.step": torch.tensor(7.0)},
        noise=torch.Generator().manual_seed(3).get_state(),
        last_noise=torch.randn(6),
        dropout=torch.get_rng_state(),
        step=7,
        nll_sum=0.1,
        history=[{"epoch": 1, "nll": 1 / 3}],
    )


def test_a_state_is_read_back_as_it_was(tmp_path):
    saved = state()
    checkpoint.save(tmp_path / "state", saved, "run")
    loaded = checkpoint.load(tmp_path / "state", "run")
    for field in dataclasses.fields(TrainingState):
        one, other = getattr(saved, field.name), getattr(loaded, field.name)
        if isinstance(one, dict):
            assert one.keys() == other.keys()
            assert all(
                torch.equal(tensor, other[name]) and tensor.dtype == other[name].dtype for name, tensor in one.items()
            )
        else:
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize(
    "optimization", [Optimization("adam", 0.1), Optimization("sgd", 0.1), Optimization("sgd", 0.1, 0.0)]
)
def test_an_optimizer_goes_on_where_it_was(optimization):
    start, target = torch.randn(5), torch.randn(5)

    def steps(optimizer, variable, count):
        for _ in range(count):
            variable.grad = 2 * (variable.detach() - target)
            optimizer.step()

    variable = start.clone().requires_grad_()
    optimizer = optimization.build([variable])
    steps(optimizer, variable, 3)
    again = variable.detach().clone().requires_grad_()
    other = optimization.build([again])
    checkpoint.restore_optimizer(other, {n: t.clone() for n, t in checkpoint.optimizer_tensors(optimizer).items()})
    steps(optimizer, variable, 3)
    steps(other, again, 3)
    assert torch.equal(variable, again)


def test_a_checkpoint_of_another_run_or_version_is_refused(tmp_path):
    checkpoint.save(tmp_path / "state", state(), "run")
    with pytest.raises(RunError, match="other settings or data"):
        checkpoint.load(tmp_path / "state", "another")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "old", {"format": "bitsback-checkpoint-0"})
    with pytest.raises(RunError, match="is of the format 'bitsback-checkpoint-0'; this version reads"):
        checkpoint.load(tmp_path / "old", "run")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(RunError, match="of the format None"):
        checkpoint.load(tmp_path / "foreign", "run")


@pytest.mark.parametrize("progress", [None, "{", "[]", json.dumps({"stop": 3}), json.dumps({"step": 3})])
def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, progress):
    metadata = {"format": "bitsback-checkpoint-1", "fingerprint": "run"} | ({"progress": progress} if progress else {})
    safetensors.torch.save_file({"variable/a": torch.zeros(1)}, tmp_path / "state", metadata)
    with pytest.raises(RunError, match="cannot be read"):
        checkpoint.load(tmp_path / "state", "run")


def test_every_cut_is_refused(tmp_path):
    checkpoint.save(tmp_path / "state", state(), "run")
    whole = (tmp_path / "state").read_bytes()
    for end in [*range(0, 64, 7), *range(64, len(whole), len(whole) // 40)]:
        (tmp_path / "cut").write_bytes(whole[:end])
        with pytest.raises(RunError, match="cannot be read"):
            checkpoint.load(tmp_path / "cut", "run")


def test_what_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "state"
    checkpoint.save(path, state(), "run")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tensor_file, "replace_file", full)
        with pytest.raises(RunError, match="cannot be written: No space left on device"):
            checkpoint.save(path, state(), "run")
    assert path.read_bytes() == before
    with pytest.raises(RunError, match="cannot be written"):
        checkpoint.save(tmp_path / "nowhere" / "state", state(), "run")
