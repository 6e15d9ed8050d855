"""Reference implementation of each step, the baseline for speed and for results."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import UInt8


def preprocess(bgr: UInt8, spec: ModelSpec) -> Tensor:
    """A BGR frame (H, W, 3) as float32 (1, 3, H', W'), all in torch."""
    image = torch.from_numpy(bgr).permute(2, 0, 1)[None].float()
    if spec.channel_order == "rgb":
        image = image.flip(1)
    height, width = bgr.shape[:2]
    if (size := spec.network_size(height, width)) != (height, width):
        image = F.interpolate(image, size, mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (spec.mean, spec.std))
    return (image - mean) / std


def postprocess(logits: Tensor, height: int, width: int) -> UInt8:
    """Labels (height, width) of logits (1, C, h, w)."""
    full = F.interpolate(logits, (height, width), mode="bilinear", align_corners=True)
    labels: UInt8 = full.argmax(1)[0].byte().numpy()
    return labels


def overlay(bgr: UInt8, labels: UInt8, colours: UInt8, alpha: float = 0.5) -> UInt8:
    """`colours` (256, 3), BGR, mixed over the frame in floating point."""
    mixed: UInt8 = ((1 - alpha) * bgr.astype(np.float64) + alpha * colours[labels]).astype(np.uint8)
    return mixed


@torch.inference_mode()
def segment(network: nn.Module, bgr: UInt8, spec: ModelSpec) -> UInt8:
    """Preprocess, eager network without batch norm folding, postprocess."""
    return postprocess(network(preprocess(bgr, spec))[-1], *bgr.shape[:2])
