import pytest
import torch
from safetensors.torch import save_file

from bitsback.errors import NetworkError
from bitsback.given.reference import load_weights, mlp, resnet
from bitsback.given.weights import check_weights


def test_a_published_checkpoint_loads_into_the_network(tmp_path):
    """The layout of the published CIFAR ResNets: a wrapper, a prefix, no counters."""
    published = resnet((3, 8, 8), 10, depth=8).eval()
    for buffer in published.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    names = {f"module.{k}": v for k, v in published.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({"state_dict": names, "best_prec1": 91.7}, tmp_path / "resnet.th")
    network = resnet((3, 8, 8), 10, depth=8).eval()
    weights = load_weights(tmp_path / "resnet.th")
    check_weights(network, weights)
    network.load_state_dict(weights)
    x = torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(network(x), published(x))


def test_safetensors_and_plain_checkpoints_give_the_same(tmp_path):
    state = mlp((4,), 2, hidden=(3,)).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        weights = load_weights(tmp_path / name)
        assert weights.keys() == state.keys()
        assert all(torch.equal(weights[key], state[key]) for key in state)


def test_a_prefix_of_some_names_is_part_of_the_names(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pt")
    assert set(load_weights(tmp_path / "w.pt")) == {"module.a", "b"}


class Hostile:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([torch.ones(1)], "holds list"),
        ({}, "holds dict"),
        ({"a": 3}, "'a' in .* is int"),
        ({"a": torch.tensor([1.0, float("nan")])}, "NaN or infinite"),
        ({"a": Hostile()}, "cannot be read"),
    ],
)
def test_what_is_not_tensors_by_name_is_refused(tmp_path, capsys, content, reason):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(NetworkError, match=reason) as caught:
        load_weights(tmp_path / "w.pt")
    assert "\n" not in str(caught.value)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_damaged_and_missing_files_are_refused(tmp_path, name):
    with pytest.raises(NetworkError, match="does not exist"):
        load_weights(tmp_path / name)
    for content in (b"", b"garbage", b"\xff" * 100):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NetworkError, match="cannot be read"):
            load_weights(tmp_path / name)


def test_weights_of_another_network_are_refused():
    small, wide, deep = (mlp((4,), 2, hidden=hidden) for hidden in ((3,), (5,), (3, 3)))
    with pytest.raises(NetworkError, match=r"'1.weight' has shape \(5, 4\), but the network has \(3, 4\)"):
        check_weights(small, wide.state_dict())
    with pytest.raises(NetworkError, match=r"missing: none; without a place: '5.weight', '5.bias'"):
        check_weights(small, deep.state_dict())
    with pytest.raises(NetworkError, match=r"missing: '5.weight', '5.bias'"):
        check_weights(deep, small.state_dict())
    check_weights(small, small.state_dict())
