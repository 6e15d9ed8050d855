"""Drawn surfaces, such as cobbles or rubble walls: cellular noise (Worley, 1996), flat or in perspective."""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 64  # in one direction of the pattern, which repeats
PIXELS = 10  # of the pattern for one cell
SMALLEST = 2.0  # pixels; smaller cells are not drawn, they would alias


def cellular(height: int, width: int, generator: torch.Generator) -> Tensor:
    """Relative brightness of a surface of irregular cells with joints, float32 (height, width), about -0.7..0.5.

    In half of the cases the surface is flat, as of a wall in front of the camera; in the others it is a ground that
    begins at a random horizon in or above the picture. Size of the cells, their aspect, contrast and joints are random.
    """
    r = torch.rand(10, generator=generator).tolist()
    size = min(height, width) / 100 * math.exp(r[0] * math.log(12))  # pixels at the bottom: 1 to 12 % of the picture
    tall = size * math.exp((2 * r[1] - 1) * math.log(2))
    y = torch.arange(height, dtype=torch.float32)[:, None] + 0.5
    x = torch.arange(width, dtype=torch.float32)[None] + 0.5 - r[2] * width
    if r[3] < 0.5:
        horizon = (r[4] - 0.5) * height  # row
        depth = ((y - horizon) / (height - horizon)).clamp(min=1e-3)  # 1 at the bottom, 0 at the horizon
        u, v = x / (size * depth), (height - horizon) / (tall * depth)
        fade = ((tall * depth**2).clamp(max=size) / SMALLEST - 1).clamp(0, 1)
    else:
        turn = 0.3 * (2 * r[4] - 1)
        u = (x * math.cos(turn) + y * math.sin(turn)) / size
        v = (y * math.cos(turn) - x * math.sin(turn)) / tall
        fade = torch.tensor(min(max(min(size, tall) / SMALLEST - 1, 0.0), 1.0))
    across, along = (axis.expand(height, width) for axis in (u / CELLS + r[5], v / CELLS + r[6]))
    places = torch.stack([across, along], dim=-1)
    value, joint = F.grid_sample(_pattern(), (places % 1 * 2 - 1)[None], padding_mode="border", align_corners=False)[0]
    contrast, joints = 0.1 + 0.3 * r[7], 0.1 + 0.4 * r[8]
    if r[9] < 0.25:
        joints = -joints / 2  # light mortar
    brightness: Tensor = fade * (contrast * (value - 0.5) - joints * joint)
    return brightness


@cache
def _pattern() -> Tensor:
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
    return torch.stack([value, (1 - (second.sqrt() - first.sqrt()) / 0.25).clamp(0, 1)])[None]
