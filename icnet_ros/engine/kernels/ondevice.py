"""Pre- and postprocessing on the device of the network: only uint8 is transferred, both ways."""

from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.kernels.coordinates import affine, network_axes
from icnet_ros.engine.tail import Tail

LIMIT = 1e30  # of logits, as in `rows`


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


class Places(NamedTuple):
    """Where the pixels of a label map lie in the logits, if the network ends in an interpolation of its own.

    axes: of `coordinates.network_axes`, as tensors on the device. affine: of `coordinates.affine`, for rows and
    columns, None for nearest neighbours and for a network that makes its logits smaller. probabilities: the values
    are probabilities, not logits. On a GPU not run yet.
    """

    axes: tuple[Tensor, Tensor, Tensor, Tensor]
    affine: tuple[tuple[float, float], tuple[float, float]] | None
    probabilities: bool


def places(
    logits: tuple[int, int], labels: tuple[int, int], network: tuple[int, int], tail: Tail, device: torch.device
) -> Places | None:
    """Of a tail, for sizes (height, width); None if `ModelSpec.align_corners` says it all."""
    if tail.interpolation is None:
        return None
    rows, v, columns, u = network_axes(logits, labels, network, tail.interpolation)
    axes = tuple(torch.from_numpy(one).to(device) for one in (rows, v, columns, u))
    slopes = None
    if not tail.interpolation.rounding and logits[0] <= network[0] and logits[1] <= network[1]:
        down, across = (affine(logits[side], labels[side], network[side], tail.interpolation, side) for side in (0, 1))
        slopes = down, across
    return Places((axes[0], axes[1], axes[2], axes[3]), slopes, tail.probabilities)


def label(
    logits: Tensor,
    height: int,
    width: int,
    confidence: bool,
    *,
    align_corners: bool = True,
    at: Places | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Logits (N, C, h, w) -> labels uint8 (N, height, width) and, if requested, confidence 0..255.

    One fused kernel if Triton is installed, else three passes over full-size logits. at: in place of align_corners.
    """
    fused = at is None or (at.affine is not None and not (at.probabilities and confidence))
    if logits.is_cuda and _has_triton() and fused:
        from icnet_ros.engine.kernels.fused import label_fused

        slopes = at.affine if at else None
        return label_fused(logits, height, width, confidence, align_corners=align_corners, places=slopes)
    full = _interpolated(logits, height, width, align_corners, at)
    best = full.argmax(1).byte()
    return best, (255 * _normalised(full, at).amax(1)).round().byte() if confidence else None


def label_groups(
    logits: Tensor,
    group_of: Tensor,
    ids: Tensor,
    height: int,
    width: int,
    confidence: bool,
    *,
    align_corners: bool = True,
    at: Places | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Logits (N, C, h, w) -> labels uint8 (N, height, width) of the most probable groups and, if requested, confidence.

    group_of: int64 (C,). ids: uint8 (groups,), the label of each group.
    """
    sums = probabilities(logits, group_of, len(ids), height, width, align_corners=align_corners, at=at)
    highest, best = sums.max(1)
    return ids[best], (255 * highest).round().byte() if confidence else None


def probabilities(
    logits: Tensor,
    channel_of: Tensor,
    channels: int,
    height: int,
    width: int,
    *,
    align_corners: bool = True,
    at: Places | None = None,
) -> Tensor:
    """Logits (N, C, h, w) -> probabilities float32 (N, channels, height, width).

    channel_of: int64 (C,), the channel to which the probability of each class is added; -1 for none.
    """
    full = _normalised(_interpolated(logits, height, width, align_corners, at), at)
    sums = full.new_zeros((len(full), channels + 1, height, width))
    return sums.index_add_(1, channel_of % (channels + 1), full)[:, :channels]


def _interpolated(logits: Tensor, height: int, width: int, align_corners: bool, at: Places | None) -> Tensor:
    values = logits.float().clamp(-LIMIT, LIMIT)  # a weight of 0 times infinity would be NaN
    if at is None:
        return F.interpolate(values, (height, width), mode="bilinear", align_corners=align_corners)
    rows, v, columns, u = at.axes
    below, right = (rows + 1).clamp(max=logits.shape[2] - 1), (columns + 1).clamp(max=logits.shape[3] - 1)
    values = (1 - v[:, None]) * values[:, :, rows] + v[:, None] * values[:, :, below]
    return (1 - u) * values[..., columns] + u * values[..., right]


def _normalised(full: Tensor, at: Places | None) -> Tensor:
    """Probabilities of the classes."""
    if at is None or not at.probabilities:
        return full.softmax(1)
    return full / full.sum(1, keepdim=True).clamp(min=1e-7)


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
