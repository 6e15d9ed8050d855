"""PSPNet50, the baseline in every table of the paper."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from icnet_ros.network.dimensions import STAGES, channels
from icnet_ros.network.layers import ConvBN, initialise, stage, stem, stem_pool
from icnet_ros.network.pyramid import ConcatPyramid, SumPyramid

Head = Literal["concat", "sum"]


class PSPNet50(nn.Module):
    """Dilated ResNet-50 with pyramid pooling: images (N, 3, H, W) -> logits (N, classes, h, w).

    h = ceil(H / output_stride). `head` "concat" is PSPNet's own (pooled maps concatenated, 3x3
    convolution), "sum" is ICNet's lighter head. The paper does not say which it timed.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        output_stride: Literal[8, 16, 32] = 8,
        head: Head = "concat",
    ) -> None:
        super().__init__()
        if output_stride not in STAGES:
            raise ValueError(f"output stride {output_stride} is not one of {sorted(STAGES)}")
        if head not in ("concat", "sum"):
            raise ValueError(f"head {head!r} is neither 'concat' nor 'sum'")
        (stride4, dilation4), (stride5, dilation5) = STAGES[output_stride]

        def c(full: int) -> int:
            return channels(width, full)

        self.stem = stem(c(128))
        self.res2 = stage(3, c(128), c(256))
        self.res3 = stage(4, c(256), c(512), stride=2)
        self.res4 = stage(6, c(512), c(1024), stride=stride4, dilation=dilation4)
        self.res5 = stage(3, c(1024), c(2048), stride=stride5, dilation=dilation5)
        if head == "concat":
            self.pyramid: nn.Module = ConcatPyramid(c(2048))
            self.neck = ConvBN(c(4096), c(512), 3)
        else:
            self.pyramid = SumPyramid()
            self.neck = ConvBN(c(2048), c(512), 1)
        self.cls = nn.Conv2d(c(512), classes, 1)
        initialise(self, seed=0)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Logits at 1/output_stride, as a tuple of one like the outputs of ICNet; dropout 0.1 while training."""
        x = self.res5(self.res4(self.res3(self.res2(stem_pool(self.stem(image))))))
        logits: Tensor = self.cls(F.dropout(self.neck(self.pyramid(x)), 0.1, self.training))
        return (logits,)
