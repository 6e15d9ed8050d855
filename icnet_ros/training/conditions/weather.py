"""Drawn weather: fog by depth, rain, drops on the lens, and snow.

The labels of the crops stay true: what is drawn covers pixels only partly or for a few pixels.
"""

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.training.conditions.scene_classes import SceneClasses

DROPS = 8  # most drops on the lens
RANDOM_NUMBERS = 12 + 4 * DROPS  # of a crop
SMOOTH = 31  # columns over which fog is averaged
TILE = 512  # pixels of the streak patterns, which repeat


def weather(pixels: Tensor, ids: Tensor, draws: Tensor, scene: SceneClasses) -> Tensor:
    """Pictures in fog, in rain or in snow, a third each; in rain and snow there is some fog, too.

    pixels: (N, 3, h, w), 0..255. ids: int64 (N, h, w), class ids. draws: (N, RANDOM_NUMBERS) in 0..1.
    """
    r = draws[:, :, None, None, None].unbind(1)  # (N, 1, 1, 1) each
    rain, snow = (r[0] > 1 / 3) & (r[0] < 2 / 3), r[0] >= 2 / 3
    pixels = torch.where(snow, _snow_on_verges(pixels, ids, draws, scene), pixels)
    pixels = _fog(pixels, ids, scene, torch.where(rain | snow, 0.35 * r[1], r[1]), r[2], r[3])
    falling = _falling(pixels, snow, draws)
    pixels = torch.where(rain | snow, pixels + falling * (225 - pixels), pixels)
    return torch.where(rain, _drops(pixels, draws[:, 12:]), pixels)


def depth(ids: Tensor, scene: SceneClasses, horizon: Tensor) -> Tensor:
    """Distance of each pixel in units of the nearest ground, (N, h, w), 1..1000; 1000 is the sky.

    The ground is flat and ends at the horizon, `horizon` (N,) rows above its first row in the crop. What stands on it
    is as far as the ground below. Crops without ground are as far as a wall 8 units away.
    """
    _, height, width = ids.shape
    ground, sky = _any_of(ids, scene.ground), _any_of(ids, scene.sky)
    rows = torch.arange(height, dtype=torch.float32, device=ids.device)
    first = torch.where(ground.any(2), rows, height).amin(1)  # the highest row with ground
    top = (first - horizon)[:, None]
    plane = ((height - top) / (rows - top).clamp(min=1e-3))[:, :, None].expand(-1, -1, width)
    near = torch.where(ground, plane, 1.0)
    far = near.flip(1).cummax(1).values.flip(1)  # from the bottom to the top: the ground that was last seen
    has_ground = ground.any(2).any(1)[:, None, None]
    return torch.where(sky, 1000.0, torch.where(has_ground, far, 8.0)).clamp(1, 1000)


def _fog(pixels: Tensor, ids: Tensor, scene: SceneClasses, density: Tensor, light: Tensor, place: Tensor) -> Tensor:
    """Homogeneous fog (Koschmieder): what is far takes the colour of the air. density, light, place: (N, 1, 1, 1)."""
    horizon = (0.02 + 0.06 * place.flatten()) * ids.shape[1]
    distance = depth(ids, scene, horizon)[:, None]
    clear = torch.exp(-(0.01 + 0.29 * density**2) * (distance - 1)).clamp(min=0.04)
    # The depth of what stands on the ground is known by columns only: without this they would show.
    clear = F.avg_pool2d(clear, (1, SMOOTH), 1, (0, SMOOTH // 2), count_include_pad=False)
    air = 140 + 90 * light
    return pixels * clear + air * (1 - clear)


def _snow_on_verges(pixels: Tensor, ids: Tensor, draws: Tensor, scene: SceneClasses) -> Tensor:
    """Snow that lies on verges and in patches on the rest of the ground."""
    cover = _clouds(ids.shape[1], ids.shape[2], draws[:, 4:6], pixels.device)
    amount = draws[:, 6, None, None]
    ground, verge = _any_of(ids, scene.ground), _any_of(ids, scene.verge)
    share = ((cover + amount - 0.9) * 3).clamp(0, 1) * ground + ((cover + amount - 0.35) * 3).clamp(0, 1) * verge
    white = 0.35 * pixels + 0.65 * (190 + 50 * draws[:, 7, None, None, None])
    return pixels + share.clamp(0, 0.9)[:, None] * (white - pixels)


def _falling(pixels: Tensor, snow: Tensor, draws: Tensor) -> Tensor:
    """Opacity (N, 1, h, w), 0..0.5, of streaks of rain, or of flakes where `snow`."""
    height, width = pixels.shape[-2:]
    patterns = _streaks(pixels.device)
    kind = (draws[:, 8] * (len(patterns) // 2)).long() + torch.where(snow.flatten(), len(patterns) // 2, 0)
    zoom = 0.6 + 1.2 * draws[:, 9, None, None]
    rows = torch.arange(height, device=pixels.device)[None, :, None] * zoom + draws[:, 10, None, None] * TILE
    columns = torch.arange(width, device=pixels.device)[None, None] * zoom + draws[:, 11, None, None] * TILE
    chosen = patterns[kind[:, None, None], rows.long() % TILE, columns.long() % TILE]
    strength = 0.1 + 0.4 * draws[:, 7, None, None]
    return (chosen * strength)[:, None]


def _drops(pixels: Tensor, draws: Tensor) -> Tensor:
    """Drops on the lens, up to DROPS, show a blurred picture, as it is out of focus; half of the crops have none."""
    height, width = pixels.shape[-2:]
    blurred = F.interpolate(F.avg_pool2d(pixels, 16, ceil_mode=True), (height, width), mode="bilinear")
    y = torch.arange(height, dtype=torch.float32, device=pixels.device)[None, :, None]
    x = torch.arange(width, dtype=torch.float32, device=pixels.device)[None, None]
    inside = pixels.new_zeros(len(pixels), height, width)
    for place in draws.view(len(draws), DROPS, 4)[..., None, None].unbind(1):  # (N, 4, 1, 1)
        row, column, size, exists = place.unbind(1)
        radius = height * (0.01 + 0.05 * size**2)
        distance = ((y - row * height) ** 2 + (x - column * width) ** 2).sqrt()
        inside = torch.maximum(inside, (2 * (1 - distance / radius)).clamp(0, 1) * (exists > 0.5))
    inside = (inside * (draws[:, 0, None, None] > 0.5))[:, None]
    return pixels + inside * (0.9 * blurred + 15 - pixels)


def _any_of(ids: Tensor, wanted: Sequence[int]) -> Tensor:
    result = torch.zeros_like(ids, dtype=torch.bool)
    for one in wanted:
        result |= ids == one
    return result


def _clouds(height: int, width: int, draws: Tensor, device: torch.device) -> Tensor:
    """Smooth random values 0..1, (N, height, width)."""
    steps = torch.arange(24, device=device)
    rows, columns = ((steps + (24 * start[:, None]).long()) % 24 for start in draws.unbind(1))
    parts = _coarse_noise(device)[rows[:, :, None], columns[:, None]][:, None]
    return F.interpolate(parts, (height, width), mode="bicubic", align_corners=False)[:, 0].clamp(0, 1)


@cache
def _coarse_noise(device: torch.device) -> Tensor:
    return torch.rand(24, 24, generator=torch.Generator().manual_seed(1)).to(device)


@cache
def _streaks(device: torch.device) -> Tensor:
    """Patterns (8, TILE, TILE) in 0..1 that repeat: four of rain at different angles, four of snow flakes."""
    generator = torch.Generator().manual_seed(0)
    patterns = []
    for angle, length, share in (
        *((-0.25, 24, 0.003), (-0.1, 40, 0.002), (0.1, 30, 0.003), (0.3, 20, 0.004)),
        *((-0.5, 3, 0.004), (0.0, 2, 0.006), (0.5, 4, 0.004), (1.0, 5, 0.003)),
    ):
        seeds = (torch.rand(TILE, TILE, generator=generator) < share).float()
        seeds *= 0.4 + 0.6 * torch.rand(TILE, TILE, generator=generator)
        drawn = torch.zeros_like(seeds)
        for step in range(length):
            drawn = torch.maximum(drawn, torch.roll(seeds, (step, round(angle * step)), (0, 1)))
        wide = F.avg_pool2d(F.pad(drawn[None, None], (1, 1, 1, 1), mode="circular"), 3, 1)[0, 0]
        patterns.append((wide * (2.5 if length > 5 else 4)).clamp(0, 1))
    return torch.stack(patterns).to(device)
