"""Building blocks of the networks."""

from collections import OrderedDict
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icnet_ros.network.dimensions import BN_EPSILON

StrideAt = Literal["reduce", "conv3"]
BN_MOMENTUM = 0.05  # torch's convention; Caffe's moving_average_fraction is 1 - 0.05


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resize with aligned corners, as the "Interp" layers of the official graph."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def every_second(x: Tensor) -> Tensor:
    """Every second row and column of (N, C, H, W), which `halve` takes, too, if both sides are odd as in the paper."""
    return x[..., ::2, ::2]


def halve(x: Tensor) -> Tensor:
    """Shrink (N, C, H, W) by 2 to ceil(H/2) x ceil(W/2), as Interp with shrink factor 2."""
    return resize(x, ((x.shape[-2] + 1) // 2, (x.shape[-1] + 1) // 2))


class ConvBN(nn.Module):
    """Convolution without bias, batch norm, and ReLU unless `relu` is false.

    Padding keeps the size (divided by the stride, rounded up).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, BN_EPSILON, BN_MOMENTUM)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return F.relu(x, inplace=True) if self.relu else x


class Bottleneck(nn.Module):
    """Residual block 1x1 reduce, 3x3, 1x1 increase.

    stride_at: the layer with the stride, the 1x1 reduce as in Caffe, or the 3x3 as in torchvision.
    project: a 1x1 projection on the shortcut, which a block that changes the shape needs.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        stride_at: StrideAt = "reduce",
        project: bool = False,
    ) -> None:
        super().__init__()
        middle = outputs // 4
        at_reduce = stride_at == "reduce"
        self.reduce = ConvBN(inputs, middle, 1, stride=stride if at_reduce else 1)
        self.conv3 = ConvBN(middle, middle, 3, stride=1 if at_reduce else stride, dilation=dilation)
        self.increase = ConvBN(middle, outputs, 1, relu=False)
        self.proj = ConvBN(inputs, outputs, 1, stride=stride, relu=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        return F.relu(shortcut + self.increase(self.conv3(self.reduce(x))), inplace=True)


class DeconvBN(nn.Module):
    """Deconvolution (transposed convolution) with stride 2, without bias, and batch norm.

    `kernel` is odd. (N, inputs, h, w) -> (N, outputs, H, W) for `size` (H, W) with H in {2h - 1, 2h}, same for W.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, BN_EPSILON, BN_MOMENTUM)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        doubled: Tensor = self.bn(self.conv(x, output_size=list(size)))
        return doubled


def numbered(*modules: nn.Module) -> nn.Sequential:
    """An nn.Sequential with modules named "1", "2", ... as in the published layer names."""
    return nn.Sequential(OrderedDict((str(number), module) for number, module in enumerate(modules, 1)))


def stage(
    blocks: int,
    inputs: int,
    outputs: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    first_dilation: int = 0,
    stride_at: StrideAt = "reduce",
) -> nn.Sequential:
    """A ResNet stage: `blocks` bottlenecks, the first with the stride and a projection.

    first_dilation: of the first; 0: the dilation is the same in all of them, as in the official graph.
    """
    first = Bottleneck(
        inputs,
        outputs,
        stride=stride,
        dilation=first_dilation or dilation,
        stride_at=stride_at,
        project=True,
    )
    rest = (Bottleneck(outputs, outputs, dilation=dilation) for _ in range(blocks - 1))
    return numbered(first, *rest)


def stem(outputs: int) -> nn.Sequential:
    """Three 3x3 convolutions (the first with stride 2): (N, 3, H, W) -> (N, outputs, H/2, W/2)."""
    return numbered(
        ConvBN(3, outputs // 2, 3, stride=2),
        ConvBN(outputs // 2, outputs // 2, 3),
        ConvBN(outputs // 2, outputs, 3),
    )


def stem_pool(x: Tensor) -> Tensor:
    """3x3 max pool with stride 2 after the stem.

    Sizes are rounded as in convolutions, so every map has height ceil(H / stride). Caffe's pooling rounds
    the other way; both agree at the odd sizes of the official graph.
    """
    return F.max_pool2d(x, 3, stride=2, padding=1)


def initialise(module: nn.Module, seed: int) -> None:
    """He initialisation of all convolutions, reproducible for a seed; does nothing on the meta device."""
    if all(parameter.is_meta for parameter in module.parameters()):
        return  # kaiming_normal_ has no effect there and would import torch's compiler, which takes seconds
    generator = torch.Generator().manual_seed(seed)
    for child in module.modules():
        if isinstance(child, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(child.weight, nonlinearity="relu", generator=generator)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
