"""Pyramid pooling: averages over 1, 2, 3 and 6 windows a side."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icnet_ros.network.dimensions import BINS
from icnet_ros.network.layers import ConvBN, resize

Windows = Literal["adaptive", "official"]

OFFICIAL_MAP = (33, 65)
# bin -> (kernel, stride), each (height, width): set by hand in the published graph for a 33 x 65 map.
OFFICIAL_WINDOWS = {
    1: ((33, 65), (33, 65)),
    2: ((17, 33), (16, 32)),
    3: ((13, 25), (10, 20)),
    6: ((8, 15), (5, 10)),
}


def pool(x: Tensor, bins: int, windows: Windows = "adaptive") -> Tensor:
    """Average (N, C, H, W) over `bins` x `bins` windows -> (N, C, bins, bins).

    "adaptive" windows tile a map of any size; "official" ones are those of the published weights.
    Raises ValueError for official windows on another map than 33 x 65 (an image of 1025 x 2049).
    """
    if windows == "adaptive":
        return F.adaptive_avg_pool2d(x, bins)
    if tuple(x.shape[-2:]) != OFFICIAL_MAP:
        raise ValueError(
            f"the official pyramid windows need a 33x65 map (an image of 1025x2049), this one is "
            f"{x.shape[-2]}x{x.shape[-1]}; build the network with windows='adaptive'"
        )
    kernel, stride = OFFICIAL_WINDOWS[bins]
    return F.avg_pool2d(x, kernel, stride)


class SumPyramid(nn.Module):
    """ICNet's pyramid: the pooled maps, resized back, are added to the input. No weights, no ReLU."""

    def __init__(self, windows: Windows = "adaptive") -> None:
        super().__init__()
        self.windows: Windows = windows

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        total = x
        for bins in reversed(BINS):  # the order of the official sum
            total = total + resize(pool(x, bins, self.windows), size)
        return total


class ConcatPyramid(nn.Module):
    """PSPNet's pyramid: each pooled map through its own 1x1 convolution, then concatenated.

    (N, C, h, w) -> (N, 2C, h, w).
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(ConvBN(inputs, inputs // len(BINS), 1) for _ in BINS)

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        pooled = [resize(conv(pool(x, bins)), size) for bins, conv in zip(BINS, self.branches, strict=True)]
        return torch.cat([x, *pooled], dim=1)
