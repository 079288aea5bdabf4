import pytest
import torch
from torch import nn

from bitsback.errors import NetworkError
from bitsback.given.reference import REFERENCE, Block, lenet_5, lenet_5_caffe, lenet_300_100, mlp, resnet


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mlp", (1, 28, 28), 648_010),
        ("lenet-300-100", (1, 28, 28), 266_610),
        ("lenet-5", (1, 28, 28), 61_706),
        ("lenet-5", (1, 32, 32), 61_706),
        ("lenet-5-caffe", (1, 28, 28), 431_080),
        ("resnet-20", (3, 32, 32), 269_722),
        ("resnet-32", (3, 32, 32), 464_154),
        ("resnet-44", (3, 32, 32), 658_586),
        ("resnet-56", (3, 32, 32), 853_018),
    ],
)
def test_the_sizes_are_the_published_ones(name, shape, expected):
    network = REFERENCE[name](shape, 10).eval()
    assert parameters(network) == expected
    assert network(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("size", [12, 17, 27, 28, 31, 32, 40])
@pytest.mark.parametrize("factory", [lenet_5, lenet_5_caffe, resnet])
def test_other_sizes_and_channels_fit_or_are_refused(factory, size):
    if factory is lenet_5_caffe and size < 16:
        with pytest.raises(NetworkError, match="at least 16x16 pixels, not inputs of shape \\(2, 12, 12\\)"):
            factory((2, size, size), 7)
    else:
        network = factory((2, size, size + 3), 7).eval()
        assert network(torch.zeros(3, 2, size, size + 3)).shape == (3, 7)


def test_an_mlp_takes_vectors_and_any_hidden_layers():
    assert mlp((10,), 1, hidden=(20,))(torch.zeros(4, 10)).shape == (4, 1)
    assert parameters(mlp((10,), 3, hidden=())) == 33


@pytest.mark.parametrize("factory", [mlp, lenet_300_100, lenet_5, lenet_5_caffe])
def test_dropout_is_after_each_hidden_dense_layer_or_absent(factory):
    hidden = sum(isinstance(module, nn.Linear) for module in factory((1, 28, 28), 10).modules()) - 1
    with_dropout = [
        module for module in factory((1, 28, 28), 10, dropout=0.3).modules() if isinstance(module, nn.Dropout)
    ]
    assert [module.p for module in with_dropout] == [0.3] * hidden
    assert not any(isinstance(module, nn.Dropout) for module in factory((1, 28, 28), 10).modules())
    for wrong in (1.0, -0.1, "a"):
        with pytest.raises(NetworkError, match="dropout"):
            factory((1, 28, 28), 10, dropout=wrong)


def test_the_shortcut_takes_every_other_pixel_and_pads_channels_with_zeros():
    block = Block(2, 4, stride=2).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.rand(1, 2, 5, 5)
    out = block(x)
    torch.testing.assert_close(out[:, 1:3], x[:, :, ::2, ::2])
    assert not out[:, [0, 3]].any()


@pytest.mark.parametrize("name", ["lenet-5", "resnet-20"])
def test_the_networks_can_be_traced_with_a_dynamic_batch(name):
    network = REFERENCE[name]((1, 16, 16), 3).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(network, (torch.zeros(2, 1, 16, 16),), dynamic_shapes=({0: batch},))
    x = torch.rand(5, 1, 16, 16)
    torch.testing.assert_close(program.module()(x), network(x))


def test_what_does_not_fit_is_refused():
    with pytest.raises(NetworkError, match="lenet-5 takes images"):
        lenet_5((784,), 10)
    with pytest.raises(NetworkError, match="depth = 21"):
        resnet((3, 32, 32), 10, depth=21)
    for wrong in ((0,), (1.5,), (True,)):
        with pytest.raises(NetworkError, match="hidden"):
            mlp((4,), 2, hidden=wrong)
