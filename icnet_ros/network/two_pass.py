"""ICNet as liminn/ICNet-pytorch and Tramac/awesome-semantic-segmentation-pytorch implement it.

It differs from the authors' graph: the trunk runs on the half-size and again on the quarter-size image, which costs
ten times as much; its first blocks in stages 4 and 5 have half the dilation; there is no convolution after the pyramid;
the heads of the coarse exits read the low branch of a CFF unit. For weights that were published for it.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from icnet_ros.network.icnet import EXITS, CascadeFeatureFusion, Exit, check_exits, image_size
from icnet_ros.network.layers import ConvBN, initialise, numbered, resize, stage, stem, stem_pool
from icnet_ros.network.pyramid import SumPyramid


class TwoPassICNet(nn.Module):
    """Normalised images (N, 3, H, W), H and W multiples of 32 -> logits of each exit, as those of `ICNet`."""

    def __init__(self, classes: int, exits: Sequence[Exit] = EXITS) -> None:
        super().__init__()
        self.exits = check_exits(exits)
        self.stem = stem(128)
        self.res2 = stage(3, 128, 256)
        self.res3 = stage(4, 256, 512, stride=2, stride_at="conv3")
        self.res4 = stage(6, 512, 1024, dilation=2, first_dilation=1)
        self.res5 = stage(3, 1024, 2048, dilation=4, first_dilation=2)
        self.pyramid = SumPyramid()
        self.cff24 = CascadeFeatureFusion(2048, 512, 128)
        if "sub4" in exits:
            self.aux16 = nn.Conv2d(128, classes, 1)
        if "sub24" in exits or "sub124" in exits:
            self.hi = numbered(ConvBN(3, 32, 3, stride=2), ConvBN(32, 32, 3, stride=2), ConvBN(32, 64, 3, stride=2))
            self.cff12 = CascadeFeatureFusion(128, 64, 128)
        if "sub24" in exits:
            self.aux8 = nn.Conv2d(128, classes, 1)
        if "sub124" in exits:
            self.cls = nn.Conv2d(128, classes, 1)
        initialise(self, seed=0)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits of `self.exits`, coarse to fine. Raises ValueError for an image below 32 x 32."""
        height, width = image_size(image)
        logits = []
        medium = self._stage3(resize(image, (height // 2, width // 2)))
        low = self.pyramid(self.res5(self.res4(self._stage3(resize(image, (height // 4, width // 4))))))
        low = self.cff24.low(resize(low, (medium.shape[-2], medium.shape[-1])))
        if "sub4" in self.exits:
            logits.append(self.aux16(low))
        if self.exits[-1] != "sub4":
            fused = F.relu(low + self.cff24.high(medium), inplace=True)
            high = self.hi(image)
            low = self.cff12.low(resize(fused, (high.shape[-2], high.shape[-1])))
            if "sub24" in self.exits:
                logits.append(self.aux8(low))
            if self.exits[-1] == "sub124":
                fused = F.relu(low + self.cff12.high(high), inplace=True)
                logits.append(self.cls(resize(fused, (2 * high.shape[-2], 2 * high.shape[-1]))))
        return tuple(logits)

    def _stage3(self, image: Tensor) -> Tensor:
        features: Tensor = self.res3(self.res2(stem_pool(self.stem(image))))
        return features
