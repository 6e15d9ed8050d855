"""Pictures in which nothing can be recognised: a covered or fogged lens, a wall or a ceiling in front of the camera."""

import torch
import torch.nn.functional as F
from torch import Tensor

RANDOM_NUMBERS = 8  # of a crop
BLURRED = 48  # pixels over which a covered lens averages


def cover(pixels: Tensor, draws: Tensor) -> Tensor:
    """Pictures (N, 3, h, w) in 0..255 of a covered lens.

    Half of them are blurred beyond recognition, half are one smooth colour. draws: (N, RANDOM_NUMBERS) in 0..1.
    """
    height, width = pixels.shape[-2:]
    coarse = F.avg_pool2d(pixels, BLURRED, ceil_mode=True)
    grey = coarse.mean((2, 3), keepdim=True)
    contrast = draws[:, 1, None, None, None]
    blurred = F.interpolate(grey + contrast * (coarse - grey), (height, width), mode="bicubic", align_corners=False)
    plain = _smooth_colour(draws[:, 2:], height, width)
    return torch.where(draws[:, 0, None, None, None] < 0.5, blurred, plain).clamp(0, 255)


def _smooth_colour(draws: Tensor, height: int, width: int) -> Tensor:
    """A colour with a gradient, (N, 3, height, width)."""
    base, tint, steep = draws[:, :1] * 220, 60 * (draws[:, 1:4] - 0.5), 160 * (draws[:, 4:6] - 0.5)
    y = torch.linspace(-0.5, 0.5, height, device=draws.device)[None, None, :, None]
    x = torch.linspace(-0.5, 0.5, width, device=draws.device)[None, None, None]
    return (base + tint)[..., None, None] + steep[:, :1, None, None] * y + steep[:, 1:, None, None] * x
