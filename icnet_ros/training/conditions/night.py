"""Dusk and night, drawn from pictures of the day: darkness, colour of the light, headlights, lamps and their glare."""

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.training.conditions.scene_classes import SceneClasses
from icnet_ros.training.loss import IGNORE

EDGE = 12  # pixels
LAMPS = 6  # most lamps
RANDOM_NUMBERS = 12 + 4 * LAMPS  # of a crop


def night(pixels: Tensor, ids: Tensor, draws: Tensor, scene: SceneClasses) -> Tensor:
    """Darkened pictures, (N, 3, h, w) in 0..255, blue, green, red.

    Pixels are raised to a power of 2 to 5, as 0..1; half of the crops have nothing else than that, a colour of the
    light and some gain, as of a camera that exposes longer. The others have a black sky, headlights and lamps. ids:
    int64 (N, h, w), class ids. draws: (N, RANDOM_NUMBERS) in 0..1.
    """
    r = draws[:, :, None, None, None].unbind(1)  # (N, 1, 1, 1) each
    exponent = 2 + 3 * r[0] ** 1.5
    dark = (pixels / 255).clamp(0, 1) ** exponent
    lit = r[1] < 0.5
    dark = torch.where(lit, dark * (1 - _sky(ids, scene) * (1 - 0.25 * r[10] ** 2)), dark)
    height, width = pixels.shape[-2:]
    y = ((torch.arange(height, dtype=torch.float32, device=pixels.device) + 0.5) / height)[None, None, :, None]
    x = ((torch.arange(width, dtype=torch.float32, device=pixels.device) + 0.5) / height)[None, None, None]
    cone = _headlights(y, x, width / height, r)
    bright = (pixels / 255).clamp(0, 1) ** (1 + 0.6 * r[2])
    dark = torch.where(lit, torch.maximum(dark, cone * bright * (0.35 + 0.4 * r[3])), dark)
    gain = (0.03 + 0.2 * r[4]) / dark.mean((1, 2, 3), keepdim=True).clamp(min=1e-3)
    dark = dark * gain.clamp(1, 8) * _colour_of_light(r[5], r[6])
    glare = _lamps(y, x, width / height, draws[:, 12:], pixels.device)
    return 255 * torch.where(lit, dark + glare, dark).clamp(0, 1)


def _sky(ids: Tensor, scene: SceneClasses) -> Tensor:
    """How much each pixel is sky, (N, 1, h, w), or the unlabelled edge around it, which would stay as a bright line."""
    sky = sum(((ids == one).float() for one in scene.sky), torch.zeros(ids.shape, device=ids.device))[:, None]
    unlabelled = (ids == IGNORE)[:, None]
    near = F.max_pool2d(sky, (2 * EDGE + 1, 1), 1, (EDGE, 0))
    near = F.max_pool2d(near, (1, 2 * EDGE + 1), 1, (0, EDGE)) * unlabelled
    return F.avg_pool2d(F.max_pool2d(torch.maximum(sky, near), 5, 1, 2), 5, 1, 2)


def _headlights(y: Tensor, x: Tensor, aspect: float, r: tuple[Tensor, ...]) -> Tensor:
    """Brightness 0..1 of what the vehicle's own lamps light, (N, 1, h, w): a cone from the bottom up to its end."""
    end, centre = 0.35 + 0.35 * r[7], aspect * (0.3 + 0.4 * r[8])
    below = ((y - end) / (1 - end)).clamp(0, 1)
    spread = (0.2 + 0.5 * r[9]) * (0.5 + below)
    return below.sqrt() * torch.exp(-(((x - centre) / spread) ** 2) / 2)


def _colour_of_light(kind: Tensor, amount: Tensor) -> Tensor:
    """Factors of blue, green and red, (N, 3, 1, 1): bluish dusk, or the yellow of sodium lamps."""
    warm = torch.where(kind < 0.6, 0.45 * amount, -0.25 * amount)
    return torch.cat([1 - warm, 1 - 0.25 * warm.abs(), 1 + 0.3 * warm], dim=1)


def _lamps(y: Tensor, x: Tensor, aspect: float, draws: Tensor, device: torch.device) -> Tensor:
    """Light (N, 3, h, w) of lamps with their glare, added to the picture; up to LAMPS, in the upper two thirds."""
    total = torch.zeros(len(draws), 3, y.shape[2], x.shape[3], device=device)
    for lamp in draws.view(len(draws), LAMPS, 4)[..., None, None, None].unbind(1):  # (N, 4, 1, 1, 1)
        row, column, size, strength = lamp.unbind(1)
        distance = (y - 0.7 * row) ** 2 + (x - aspect * column) ** 2
        core, halo = 0.004 + 0.008 * size, 0.03 + 0.15 * size * strength
        light = torch.exp(-distance / core**2) + 0.3 * strength * torch.exp(-distance.sqrt() / halo)
        light = light * (strength > 0.4)
        total = total + light * _colour_of_light((size * 7) % 1, (strength * 5) % 1)
    return total
