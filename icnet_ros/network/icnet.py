"""ICNet as in the authors' deploy graph (hszhao/ICNet, icnet_cityscapes_bnnomerge.prototxt).

Where that graph differs from figure 2 of the paper, this module follows the graph: the low branch starts
from a feature map, not from a quarter-size image, and all layers have half the channels, not only the last ones.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from icnet_ros.network.dimensions import BLOCKS, Fusion, channels_of
from icnet_ros.network.layers import (
    ConvBN,
    DeconvBN,
    StrideAt,
    every_second,
    halve,
    initialise,
    numbered,
    resize,
    stage,
    stem,
    stem_pool,
)
from icnet_ros.network.pyramid import SumPyramid, Windows

Exit = Literal["sub4", "sub24", "sub124"]
EXITS: tuple[Exit, ...] = get_args(Exit)  # coarse to fine


class CascadeFeatureFusion(nn.Module):
    """CFF unit (paper sec. 3.3): dilated 3x3 on the upsampled coarse map + 1x1 on the fine map.

    `low` (N, C1, h, w) and `high` (N, C2, 2h or 2h - 1, ...) -> (N, C3, size of `high`).
    Batch norm before the sum, ReLU after it.

    coarse: the 3x3 convolves the coarse map, without dilation, and its result is upsampled: a quarter of the work.
    Upsampling by 2 commutes with a convolution, but for the zeros beyond the border, and for a small shift where
    `high` has 2h rows or columns: with aligned corners they are not quite twice as dense.
    """

    def __init__(self, low: int, high: int, outputs: int, *, coarse: bool = False) -> None:
        super().__init__()
        self.coarse = coarse
        self.low = ConvBN(low, outputs, 3, dilation=1 if coarse else 2, relu=False)
        self.high = ConvBN(high, outputs, 1, relu=False)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        size = high.shape[-2], high.shape[-1]
        low = resize(self.low(low), size) if self.coarse else self.low(resize(low, size))
        return F.relu(low + self.high(high), inplace=True)


class DeconvFusion(nn.Module):
    """Baseline for the CFF unit (paper table 3): upsamples the coarse map by 2 with a deconvolution."""

    def __init__(self, low: int, high: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.low = DeconvBN(low, outputs, kernel)
        self.high = ConvBN(high, outputs, 1, relu=False)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        return F.relu(self.low(low, (high.shape[-2], high.shape[-1])) + self.high(high), inplace=True)


def fusion_unit(kind: Fusion, low: int, high: int, outputs: int) -> nn.Module:
    """Build a fusion unit. Raises ValueError for an unknown `kind`."""
    if kind in ("cff", "cff_coarse"):
        return CascadeFeatureFusion(low, high, outputs, coarse=kind == "cff_coarse")
    if kind not in get_args(Fusion):
        raise ValueError(f"fusion {kind!r} is not one of {get_args(Fusion)}")
    return DeconvFusion(low, high, outputs, int(kind.removeprefix("deconv")))


def check_exits(exits: Sequence[Exit]) -> tuple[Exit, ...]:
    """The exits, if they are a choice of EXITS in this order. Raises ValueError."""
    if not exits or list(exits) != [name for name in EXITS if name in exits]:
        raise ValueError(f"exits {tuple(exits)} are not a choice of {EXITS} in this order")
    return tuple(exits)


def image_size(image: Tensor) -> tuple[int, int]:
    """(height, width) of the images (N, 3, H, W). Raises ValueError below 32 x 32."""
    height, width = image.shape[-2:]
    if min(height, width) < 32:
        raise ValueError(f"image is {height}x{width}, ICNet needs at least 32x32")
    return height, width


class ICNet(nn.Module):
    """Image cascade network: normalised images (N, 3, H, W), H and W >= 32 -> logits of each exit.

    classes: number of classes, each a channel of the logits.
    width: 0.5 is the published network, 1.0 the one before pruning.
    exits: which logits to compute, coarse to fine. Only the layers these need exist, so
        `("sub124",)` is the deployed network and all three are the training network, whose coarse
        exits are the auxiliary heads of cascade label guidance.
    windows: pyramid pooling windows; "official" runs at 1025 x 2049 only.
    fusion: "cff" is ICNet, "cff_coarse" a cheaper form of it; the others are the baselines of table 3.
    stride_at: layer with the stride in the first block of stage 3; "conv3" is a variant of other implementations.
    blocks: residual blocks of the stages res2 to res5, each at least 1.
    widths: of the parts (`dimensions.PARTS`) that differ from `width`, as after pruning.

    Logits are float (N, classes, h, w) with h = ceil(H / 16), ceil(H / 8) and ceil(H / 4) for
    sub4, sub24 and sub124 (each map is upsampled by 2 before its classifier). Resize them to the image
    with corners aligned.
    """

    def __init__(
        self,
        classes: int,
        width: float = 0.5,
        exits: Sequence[Exit] = ("sub124",),
        windows: Windows = "adaptive",
        fusion: Fusion = "cff",
        stride_at: StrideAt = "reduce",
        blocks: tuple[int, int, int, int] = BLOCKS,
        widths: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"{classes} classes: at least 2 are needed")
        self.exits = check_exits(exits)
        # Classify before the last resize, not after it as the published graph does: the same logits, but the resize has
        # `classes` channels instead of those of the features, and the classifier a quarter of the pixels.
        self.classify_first = False

        def c(part: str, full: int) -> int:
            return channels_of(part, full, width, widths)

        self.stem = stem(c("stem", 128))
        self.res2 = stage(blocks[0], c("stem", 128), c("res2", 256))
        self.res3 = stage(blocks[1], c("res2", 256), c("res3", 512), stride=2, stride_at=stride_at)
        self.res4 = stage(blocks[2], c("res3", 512), c("res4", 1024), dilation=2)
        self.res5 = stage(blocks[3], c("res4", 1024), c("res5", 2048), dilation=4)
        self.pyramid = SumPyramid(windows)
        self.k1 = ConvBN(c("res5", 2048), c("k1", 512), 1)
        if "sub4" in exits:
            self.aux16 = nn.Conv2d(c("k1", 512), classes, 1)
        if "sub24" in exits or "sub124" in exits:
            self.cff24 = fusion_unit(fusion, c("k1", 512), c("res3", 512), c("cff24", 256))
        if "sub24" in exits:
            self.aux8 = nn.Conv2d(c("cff24", 256), classes, 1)
        if "sub124" in exits:
            self.hi = numbered(
                ConvBN(3, c("hi", 64), 3, stride=2),
                ConvBN(c("hi", 64), c("hi", 64), 3, stride=2),
                ConvBN(c("hi", 64), c("hi", 128), 3, stride=2),
            )
            self.cff12 = fusion_unit(fusion, c("cff24", 256), c("hi", 128), c("cff12", 256))
            self.cls = nn.Conv2d(c("cff12", 256), classes, 1)
        initialise(self, seed=0)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits of `self.exits`, coarse to fine. Raises ValueError for an image below 32 x 32."""
        height, width = image_size(image)
        logits = []
        # The first block of stage 3 is the last of the 17 layers that both branches share: 1/16.
        medium = self.res3[0](self.res2(stem_pool(self.stem(every_second(image)))))
        low = self.res5(self.res4(self.res3[1:](halve(medium))))  # 1/32
        low = self.k1(self.pyramid(low))
        if "sub4" in self.exits:
            logits.append(self._classify(self.aux16, low, (medium.shape[-2], medium.shape[-1])))
        if self.exits[-1] != "sub4":
            fused = self.cff24(low, medium)
            if "sub24" in self.exits:
                logits.append(self._classify(self.aux8, fused, ((height + 7) // 8, (width + 7) // 8)))
            if self.exits[-1] != "sub24":
                fused = self.cff12(fused, self.hi(image))
                logits.append(self._classify(self.cls, fused, ((height + 3) // 4, (width + 3) // 4)))
        return tuple(logits)

    def _classify(self, classifier: nn.Module, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Logits of this size. A 1x1 convolution and a resize commute: a pixel's weights of the resize add up to 1."""
        if self.classify_first:
            return resize(classifier(features), size)
        logits: Tensor = classifier(resize(features, size))
        return logits
