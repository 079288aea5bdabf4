import pytest
import torch
from torch import Tensor, nn

from bitsback.errors import NetworkError
from bitsback.given.network import trace
from bitsback.given.reference import lenet_5, mlp, resnet
from tests.networks import Attention, Convolutions, Tied, normed, unsettle

NETWORKS = {
    "mlp": (lambda: mlp((4,), 3, hidden=(5,), dropout=0.5), (4,)),
    "lenet-5": (lambda: lenet_5((1, 12, 12), 3), (1, 12, 12)),
    "resnet-20": (lambda: resnet((3, 8, 8), 3, depth=20), (3, 8, 8)),
    "tied weights": (Tied, (4,)),
    "norms": (normed, (4,)),
    "attention": (Attention, (5, 8)),
    "convolutions": (Convolutions, (2, 12, 12)),
}


@pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=NETWORKS.keys())
def test_the_graph_answers_as_the_module_under_any_params_and_batch(make, shape):
    module = unsettle(make()).eval()
    network = trace(module, shape)
    assert (network.input_shape, network.outputs) == (shape, 3)
    tensors = {**network.params, **network.buffers}
    for scale in (1.0, 0.5):
        scaled = {n: tensor * scale if tensor.is_floating_point() else tensor for n, tensor in tensors.items()}
        for batch in (1, 4, 7):
            inputs = torch.randn(batch, *shape)
            expected = torch.func.functional_call(module, scaled, (inputs,))
            torch.testing.assert_close(network(scaled, inputs), expected)


def test_tied_weights_stay_one():
    module = Tied()
    network = trace(module, (4,))
    assert list(network.params) == ["first.weight", "first.bias", "second.bias", "last.weight", "last.bias"]
    assert network.names.count("first.weight") == 2
    assert "second.weight" not in network.names


def test_norms_are_points_and_said_to_be():
    network = trace(normed(), (4,))
    assert network.deterministic == dict.fromkeys(["1.weight", "1.bias", "3.weight", "3.bias"], "norm")
    assert network.bayesian == ("0.weight", "0.bias", "4.weight", "4.bias")
    assert set(trace(Convolutions(), (2, 12, 12)).deterministic) == {
        "body.1.weight",
        "body.1.bias",
        "body.3.weight",
        "body.3.bias",
    }
    assert set(network.buffers) == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


class Spare(nn.Module):
    """Has a layer and a buffer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(4, 3), nn.Linear(2, 2)
        self.register_buffer("note", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def test_what_is_not_used_is_a_point_and_said_to_be():
    network = trace(Spare(), (4,))
    assert network.deterministic == {"spare.weight": "not used", "spare.bias": "not used"}
    assert network.bayesian == ("used.weight", "used.bias")


def test_patterns_keep_params_as_points():
    module = mlp((4,), 3, hidden=(5,))
    assert trace(module, (4,), deterministic=("1.*",)).deterministic == {"1.weight": "asked for", "1.bias": "asked for"}
    assert trace(module, (4,), deterministic=("*.bias", "1.bias")).bayesian == ("1.weight", "3.weight")
    assert trace(module, (4,), deterministic=("*",)).bayesian == ()
    with pytest.raises(
        NetworkError, match=r"no parameter matches 'fc\*'; there are 1.weight, 1.bias, 3.weight, 3.bias"
    ):
        trace(module, (4,), deterministic=("1.*", "fc*"))


@pytest.mark.parametrize("train", [False, True])
def test_the_users_module_is_not_changed(train):
    module = nn.Sequential(normed(), nn.Dropout(0.5))
    module.train()
    module[0][1].eval()  # a batch norm held still while the rest trains
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    network = trace(module, (4,), train=train)
    assert [part.training for part in module.modules()] == modes
    for tensor in (*network.params.values(), *(b for b in network.buffers.values() if b.is_floating_point())):
        tensor.add_(1)  # the network holds copies
    network({**network.params, **network.buffers}, torch.randn(5, 4))
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())


def test_in_training_dropout_drops_and_batch_norms_count_and_in_use_they_do_not():
    module = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 3))
    inputs = torch.randn(9, 4)
    train, use = trace(module, (4,), train=True), trace(module, (4,))
    assert not any("dropout" in str(node.target) for node in use.graph.graph.nodes)
    tensors = [{**network.params, **network.buffers} for network in (train, use)]
    assert not torch.equal(train(tensors[0], inputs), train(tensors[0], inputs))
    assert torch.equal(use(tensors[1], inputs), use(tensors[1], inputs))
    assert (train.buffers["1.num_batches_tracked"], use.buffers["1.num_batches_tracked"]) == (2, 0)


class Answers(nn.Module):
    """A linear layer whose answer is changed by a function."""

    def __init__(self, change) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(4, 3), change

    def forward(self, x: Tensor):
        return self.change(self.layer(x))


def on_data(y: Tensor) -> Tensor:
    return y if y.sum() > 0 else -y


REFUSED = {
    "a tuple": (
        lambda y: (y, y),
        r"Answers returns 2 value\(s\), the first of shape \[.*, 3\]; one tensor \[batch, outputs\]",
    ),
    "a dict": (lambda y: {"a": y, "b": y}, r"returns 2 value\(s\)"),
    "a nested list": (lambda y: [[y, y]], r"returns 2 value\(s\)"),
    "a vector": (lambda y: y[:, 0], r"the first of shape \[\w+\]; one tensor"),
    "three axes": (lambda y: y.unsqueeze(1), r"the first of shape \[\w+, 1, 3\]"),
    "the batch's mean": (lambda y: y.mean(0, keepdim=True), r"the first of shape \[1, 3\]"),
    "outputs that grow with the batch": (lambda y: y @ y.T, "the first of shape"),
    "nothing": (lambda y: None, r"returns 1 value\(s\), the first of shape \[\]"),
    "control flow on data": (on_data, "Answers cannot be traced by torch.export with inputs of shape \\[batch, 4\\]: "),
    "one batch size": (lambda y: y.reshape(3, 3), "cannot be traced by torch.export"),
    "a constant": (lambda y: y + torch.tensor([1.0, 2.0, 3.0]), "constant tensor .* register it with register_buffer"),
}


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_network_is_refused_in_one_sentence(change, said):
    module = Answers(change).train()
    with pytest.raises(NetworkError, match=said) as caught:
        trace(module, (4,))
    assert "\n" not in str(caught.value)
    assert module.training


def test_inputs_of_another_shape_are_refused_with_it():
    with pytest.raises(NetworkError, match=r"Linear cannot be traced .* inputs of shape \[batch, 5\]: "):
        trace(nn.Linear(4, 3), (5,))
