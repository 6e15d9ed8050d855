"""Random mirror, resize, crop and colour, on the device the network trains on."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.training.loss import IGNORE
from icnet_ros.training.recipe import Recipe


def augment(
    pairs: Sequence[tuple[Tensor, Tensor]], mean: Tensor, recipe: Recipe, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A batch of crops.

    pairs: images uint8 (3, H, W) and labels uint8 (H, W), sizes may differ. mean: (3,), 0..255.
    Gives images float32 (N, 3, h, w) with the mean subtracted and labels int64 (N, h, w). Beyond the
    picture: the mean colour and the ignore id. `generator`, on the CPU, decides everything.
    """
    crops = [_crop(image, labels, mean, recipe, generator) for image, labels in pairs]
    return torch.stack([image for image, _ in crops]), torch.stack([labels for _, labels in crops])


def _crop(
    image: Tensor, labels: Tensor, mean: Tensor, recipe: Recipe, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    u = torch.rand(9, generator=generator).tolist()
    low, high = (math.log(value) for value in recipe.scale)
    scale = math.exp(low + u[0] * (high - low))
    axes = []
    for source, target, where in zip(labels.shape, recipe.crop, u[1:3], strict=True):
        offset = where * (source * scale - target)  # negative: the picture lies inside the crop
        position = (torch.arange(target, device=image.device) + 0.5 + offset) / scale  # in source pixels
        axes.append(position / source * 2 - 1)
    if u[3] < 0.5:
        axes[1] = -axes[1]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)[None]
    inside = (grid.abs() <= 1).all(-1)

    def sample(values: Tensor, mode: str) -> Tensor:
        return F.grid_sample(values.float()[None], grid, mode=mode, padding_mode="border", align_corners=False)[0]

    pixels = sample(image, "bilinear")
    pixels = pixels * (1 + recipe.brightness * (2 * u[4] - 1))
    grey = pixels.mean()
    pixels = (pixels - grey) * (1 + recipe.contrast * (2 * u[5] - 1)) + grey
    tint = 1 + recipe.colour * (2 * torch.tensor(u[6:9], device=image.device) - 1)
    pixels = (pixels * tint[:, None, None]).clamp(0, 255) - mean[:, None, None]
    ids = sample(labels[None], "nearest")[0].long()
    return pixels * inside, torch.where(inside[0], ids, IGNORE)
