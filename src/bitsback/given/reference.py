"""Reference networks of the literature, and the weights that were published for them.

A factory takes the shape of one input and the number of outputs, and returns a fresh network that maps normalized
inputs [B, *shape] to logits (or regression means) [B, outputs].

- MLP and LeNet-300-100, LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
  recognition" (1998), with ReLU and max pooling as is usual today.
- LeNet-5-Caffe: the 20-50-500 variant of Caffe's MNIST example, which the pruning literature uses.
- ResNet-20 to 56 for CIFAR: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), section 4.2,
  with the parameter-free shortcut (option A).
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from bitsback.errors import NetworkError
from bitsback.given.weights import load_weights

__all__ = ["REFERENCE", "Factory", "lenet_5", "lenet_5_caffe", "lenet_300_100", "load_weights", "mlp", "resnet"]

Factory = Callable[..., nn.Module]


def mlp(
    input_shape: tuple[int, ...], outputs: int, *, hidden: tuple[int, ...] = (500, 500), dropout: float = 0.0
) -> nn.Module:
    """Make a multilayer perceptron with ReLU; inputs of any shape are flattened.

    Args:
        input_shape: The shape of one input.
        outputs: The number of outputs.
        hidden: The width of each hidden layer.
        dropout: The share of hidden units dropped in training; 0 leaves the layer out.

    Returns:
        The network.

    Raises:
        NetworkError: A width is not a positive whole number, or the dropout is not in [0, 1).
    """
    widths = tuple(hidden) if isinstance(hidden, list | tuple) else None
    if widths is None or not all(type(width) is int and width > 0 for width in widths):
        raise NetworkError(f"hidden = {hidden!r} must be positive whole numbers, such as (500, 500)")
    _check_dropout(dropout)
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = math.prod(input_shape)
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def lenet_300_100(input_shape: tuple[int, ...], outputs: int, *, dropout: float = 0.0) -> nn.Module:
    """Make LeNet-300-100, the MLP with hidden layers of 300 and 100 units.

    Args:
        input_shape: The shape of one input.
        outputs: The number of outputs.
        dropout: The share of hidden units dropped in training.

    Returns:
        The network.

    Raises:
        NetworkError: The dropout is not in [0, 1).
    """
    _check_dropout(dropout)
    return mlp(input_shape, outputs, hidden=(300, 100), dropout=dropout)


def lenet_5(input_shape: tuple[int, ...], outputs: int, *, dropout: float = 0.0) -> nn.Module:
    """Make LeNet-5 (6-16-120-84); images below 32x32 are padded by 2, as MNIST was.

    Args:
        input_shape: (channels, height, width) of one image.
        outputs: The number of outputs.
        dropout: The share of units dropped in training after each hidden dense layer.

    Returns:
        The network.

    Raises:
        NetworkError: The inputs are no images or too small, or the dropout is not in [0, 1).
    """
    channels, height, width = _image(input_shape, least=12, name="lenet-5")
    padding = 2 if min(height, width) < 32 else 0
    rest = [(((size + 2 * padding - 4) // 2) - 4) // 2 for size in (height, width)]
    return _lenet(
        [nn.Conv2d(channels, 6, 5, padding=padding), nn.Conv2d(6, 16, 5)],
        [16 * math.prod(rest), 120, 84, outputs],
        dropout,
    )


def lenet_5_caffe(input_shape: tuple[int, ...], outputs: int, *, dropout: float = 0.0) -> nn.Module:
    """Make LeNet-5-Caffe (20-50-500).

    Args:
        input_shape: (channels, height, width) of one image.
        outputs: The number of outputs.
        dropout: The share of units dropped in training after the hidden dense layer.

    Returns:
        The network.

    Raises:
        NetworkError: The inputs are no images or too small, or the dropout is not in [0, 1).
    """
    channels, height, width = _image(input_shape, least=16, name="lenet-5-caffe")
    rest = [((size - 4) // 2 - 4) // 2 for size in (height, width)]
    return _lenet([nn.Conv2d(channels, 20, 5), nn.Conv2d(20, 50, 5)], [50 * math.prod(rest), 500, outputs], dropout)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters: every other pixel, and zeros for the new channels.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: Of the first convolution and of the shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, inputs, H, W] to [B, outputs, ceil(H / stride), ceil(W / stride)]."""
        branch = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.padding:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return functional.relu(branch + x)


class ResNet(nn.Module):
    """The residual network for CIFAR: a convolution, three stages of 16, 32 and 64 channels, mean, a dense layer.

    Args:
        channels: Channels of an image.
        outputs: The number of outputs.
        blocks: Blocks a stage; the depth is 6 * blocks + 2.
    """

    def __init__(self, channels: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, channels, H, W] to logits [B, outputs]."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def resnet(input_shape: tuple[int, ...], outputs: int, *, depth: int = 20) -> nn.Module:
    """Make a CIFAR ResNet with option-A shortcuts; its parameter names are those of the published checkpoints.

    Args:
        input_shape: (channels, height, width) of one image.
        outputs: The number of outputs.
        depth: 6 n + 2 layers: 20, 32, 44, 56, ...

    Returns:
        The network.

    Raises:
        NetworkError: The inputs are no images, or the depth is another number.
    """
    channels, _, _ = _image(input_shape, least=4, name=f"resnet-{depth}")
    if depth < 8 or depth % 6 != 2:
        raise NetworkError(f"depth = {depth} must be 6 n + 2, such as 20, 32, 44 or 56")
    return ResNet(channels, outputs, (depth - 2) // 6)


REFERENCE: Mapping[str, Factory] = {
    "mlp": mlp,
    "lenet-300-100": lenet_300_100,
    "lenet-5": lenet_5,
    "lenet-5-caffe": lenet_5_caffe,
    **{f"resnet-{depth}": partial(resnet, depth=depth) for depth in (20, 32, 44, 56)},
}


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(blocks - 1)))


def _lenet(convolutions: list[nn.Conv2d], widths: list[int], dropout: float) -> nn.Module:
    _check_dropout(dropout)
    layers: list[nn.Module] = []
    for convolution in convolutions:
        layers += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def _image(input_shape: tuple[int, ...], *, least: int, name: str) -> tuple[int, int, int]:
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise NetworkError(
            f"{name} takes images (channels, height, width) of at least {least}x{least} pixels, "
            f"not inputs of shape {tuple(input_shape)}"
        )
    channels, height, width = input_shape
    return channels, height, width


def _check_dropout(dropout: float) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise NetworkError(f"dropout = {dropout!r} must be a share from 0 to below 1")
