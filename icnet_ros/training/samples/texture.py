"""Drawn surfaces, such as cobbles or rubble walls: cellular noise (Worley, 1996), flat or in perspective."""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

RANDOM_NUMBERS = 10  # of a surface
CELLS = 64  # in one direction of the pattern, which repeats
PIXELS = 10  # of the pattern for one cell
SMALLEST = 2.0  # pixels; smaller cells are not drawn, they would alias


def cellular(height: int, width: int, draws: Tensor, ground: Tensor | None = None) -> Tensor:
    """Relative brightness of surfaces of irregular cells with joints, float32 (N, height, width), about -0.7..0.5.

    draws: (N, RANDOM_NUMBERS) in 0..1. ground: bool (N,), which surfaces are certainly a ground that begins at a random
    horizon in or above the picture; half of the others are, half are flat as a wall in front of the camera. Size of the
    cells, their aspect, contrast and joints are random.
    """
    r = draws[:, :, None, None].unbind(1)  # (N, 1, 1) each
    size = min(height, width) / 100 * (r[0] * math.log(12)).exp()  # pixels at the bottom: 1 to 12 % of the picture
    tall = size * ((2 * r[1] - 1) * math.log(2)).exp()
    y = torch.arange(height, dtype=torch.float32, device=draws.device)[None, :, None] + 0.5
    x = torch.arange(width, dtype=torch.float32, device=draws.device)[None, None] + 0.5 - r[2] * width
    horizon = (r[4] - 0.5) * height  # row
    depth = ((y - horizon) / (height - horizon)).clamp(min=1e-3)  # 1 at the bottom, 0 at the horizon
    turn = 0.3 * (2 * r[4] - 1)
    grounds = r[3] < 0.5 if ground is None else (r[3] < 0.5) | ground[:, None, None]
    u = torch.where(grounds, x / (size * depth), (x * turn.cos() + y * turn.sin()) / size)
    v = torch.where(grounds, (height - horizon) / (tall * depth), (y * turn.cos() - x * turn.sin()) / tall)
    smallest = torch.where(grounds, torch.minimum(tall * depth**2, size), torch.minimum(size, tall))
    fade = (smallest / SMALLEST - 1).clamp(0, 1)
    places = torch.stack([u / CELLS + r[5], v / CELLS + r[6]], dim=-1)
    pattern = _pattern(draws.device).expand(len(draws), -1, -1, -1)
    drawn = F.grid_sample(pattern, places % 1 * 2 - 1, padding_mode="border", align_corners=False)
    value, joint = drawn.unbind(1)
    contrast, joints = 0.1 + 0.3 * r[7], 0.1 + 0.4 * r[8]
    joints = torch.where(r[9] < 0.25, -joints / 2, joints)  # light mortar
    brightness: Tensor = fade * (contrast * (value - 0.5) - joints * joint)
    return brightness


@cache
def _pattern(device: torch.device) -> Tensor:
    """(1, 2, CELLS * PIXELS, CELLS * PIXELS): random value of the cell and strength of the joint, both 0..1."""
    table = torch.rand(CELLS, CELLS, 3, generator=torch.Generator().manual_seed(0))
    places = (torch.arange(CELLS * PIXELS) + 0.5) / PIXELS
    v, u = torch.meshgrid(places, places, indexing="ij")
    first = torch.full_like(u, 9.0)  # squared distances of the nearest and of the second nearest centre
    second, value = first.clone(), torch.zeros_like(u)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = v.floor() + down, u.floor() + right
            cell = table[i.long() % CELLS, j.long() % CELLS]
            distance = (j + 0.15 + 0.7 * cell[..., 0] - u) ** 2 + (i + 0.15 + 0.7 * cell[..., 1] - v) ** 2
            nearer = distance < first
            second = torch.where(nearer, first, torch.minimum(second, distance))
            first = torch.where(nearer, distance, first)
            value = torch.where(nearer, cell[..., 2], value)
    return torch.stack([value, (1 - (second.sqrt() - first.sqrt()) / 0.25).clamp(0, 1)])[None].to(device)
