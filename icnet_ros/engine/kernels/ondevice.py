"""Pre- and postprocessing on the device of the network: only uint8 is transferred, both ways."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.checkpoint.spec import ModelSpec


def prepare(pixels: Tensor, spec: ModelSpec, swap: bool, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Frames uint8 (N, H, W, 3) -> network input (N, 3, *size) in `dtype`, channels last.

    Same result as kernels.normalise on the CPU, up to one grey level if they are resized. swap: reverse
    the channels (RGB <-> BGR).
    """
    image = pixels.permute(0, 3, 1, 2).float()
    if swap:
        image = image.flip(1)
    if size != tuple(pixels.shape[1:3]):
        image = F.interpolate(image, size, mode="bilinear", align_corners=False).round()
    mean, std = (_constant(values, pixels.device) for values in (spec.mean, spec.std))
    return ((image - mean) / std).to(dtype, memory_format=torch.channels_last)


def label(
    logits: Tensor, height: int, width: int, confidence: bool, *, align_corners: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Logits (N, C, h, w) -> labels uint8 (N, height, width) and, if requested, confidence 0..255.

    One fused kernel if Triton is installed, else three passes over full-size logits.
    """
    if logits.is_cuda and _has_triton():
        from icnet_ros.engine.kernels.fused import label_fused

        return label_fused(logits, height, width, confidence, align_corners=align_corners)
    full = F.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=align_corners)
    best = full.argmax(1).byte()
    return best, (255 * full.softmax(1).amax(1)).round().byte() if confidence else None


def label_groups(
    logits: Tensor,
    group_of: Tensor,
    ids: Tensor,
    height: int,
    width: int,
    confidence: bool,
    *,
    align_corners: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """Logits (N, C, h, w) -> labels uint8 (N, height, width) of the most probable groups and, if requested, confidence.

    group_of: int64 (C,). ids: uint8 (groups,), the label of each group.
    """
    sums = probabilities(logits, group_of, len(ids), height, width, align_corners=align_corners)
    highest, best = sums.max(1)
    return ids[best], (255 * highest).round().byte() if confidence else None


def probabilities(
    logits: Tensor, channel_of: Tensor, channels: int, height: int, width: int, *, align_corners: bool = True
) -> Tensor:
    """Logits (N, C, h, w) -> probabilities float32 (N, channels, height, width).

    channel_of: int64 (C,), the channel to which the probability of each class is added; -1 for none.
    """
    full = F.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=align_corners).softmax(1)
    sums = full.new_zeros((len(full), channels + 1, height, width))
    return sums.index_add_(1, channel_of % (channels + 1), full)[:, :channels]


@cache
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Cached for each device, as nothing may be uploaded while a CUDA graph is captured."""
    return torch.tensor(values, device=device).reshape(1, 3, 1, 1)


@cache
def _has_triton() -> bool:
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True
