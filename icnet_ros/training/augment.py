"""Random mirror, resize, crop, colour, surface, sharpness and noise, on the device the network trains on."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.training.loss import IGNORE
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.texture import cellular

BLUR = 1.5  # pixels, standard deviation of the Gaussian for blur and unsharp mask


def augment(
    pairs: Sequence[tuple[Tensor, Tensor]],
    mean: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    class_id: int | None = None,
) -> tuple[Tensor, Tensor]:
    """A batch of crops.

    pairs: images uint8 (3, H, W) and labels uint8 (H, W), sizes may differ. mean: (3,), 0..255. class_id: a class
    that every crop contains if its image does.
    Returns images float32 (N, 3, h, w) with the mean subtracted and labels int64 (N, h, w). Outside the
    image: the mean colour and the ignore id. All random numbers come from `generator`, on the CPU.
    """
    crops = [_crop(image, labels, mean, recipe, generator, class_id) for image, labels in pairs]
    return torch.stack([image for image, _ in crops]), torch.stack([labels for _, labels in crops])


def _crop(
    image: Tensor, labels: Tensor, mean: Tensor, recipe: Recipe, generator: torch.Generator, class_id: int | None
) -> tuple[Tensor, Tensor]:
    u = torch.rand(9, generator=generator).tolist()
    low, high = (math.log(value) for value in recipe.scale)
    scale = math.exp(low + u[0] * (high - low))
    pixel = _pixel_of(labels, class_id, generator)
    axes = []
    for axis, (source, target, where) in enumerate(zip(labels.shape, recipe.crop, u[1:3], strict=True)):
        room = source * scale - target
        offset = where * room  # negative: the picture lies inside the crop
        if pixel is not None and room > 0:
            offset = min(max(pixel[axis] * scale - where * target, 0.0), room)
        position = (torch.arange(target, device=image.device) + 0.5 + offset) / scale  # in source pixels
        axes.append(position / source * 2 - 1)
    if u[3] < 0.5:
        axes[1] = axes[1].flip(0)
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)[None]
    inside = (grid.abs() <= 1).all(-1)

    def sample(values: Tensor, mode: str) -> Tensor:
        return F.grid_sample(values.float()[None], grid, mode=mode, padding_mode="border", align_corners=False)[0]

    pixels = sample(image, "bilinear")
    pixels = pixels * (1 + recipe.brightness * (2 * u[4] - 1))
    grey = pixels.mean()
    pixels = (pixels - grey) * (1 + recipe.contrast * (2 * u[5] - 1)) + grey
    tint = 1 + recipe.colour * (2 * torch.tensor(u[6:9], device=image.device) - 1)
    pixels = pixels * tint[:, None, None]
    ids = sample(labels[None], "nearest")[0].long()
    if recipe.texture:
        pixels = pixels * (1 + _surface(ids, recipe.texture, generator))
    pixels = _degrade(pixels.clamp(0, 255), recipe, generator) - mean[:, None, None]
    return pixels * inside, torch.where(inside[0], ids, IGNORE)


def _pixel_of(labels: Tensor, wanted: int | None, generator: torch.Generator) -> tuple[float, float] | None:
    """(row, column) of a pixel of the wanted class, drawn at random; None if there is none."""
    if wanted is None:
        return None
    places = (labels == wanted).nonzero()
    if not len(places):
        return None
    row, column = places[int(torch.randint(len(places), (), generator=generator))].tolist()
    return row, column


def _surface(ids: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Relative brightness (h, w) of a surface on all pixels of one class, that of a random pixel; ids (h, w).

    0 everywhere in the other crops, 1 - share of them, and where the random pixel is not labelled.
    """
    height, width = ids.shape
    draw, row, column = torch.rand(3, generator=generator).tolist()
    chosen = ids[int(row * height), int(column * width)]
    if draw >= share or chosen == IGNORE:
        return torch.zeros((), device=ids.device)
    return cellular(height, width, generator).to(ids.device) * (ids == chosen)


def _degrade(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Random gamma, sharpness and noise, as of other cameras; pixels (3, h, w) in 0..255."""
    if not recipe.gamma and not recipe.sharpness and not recipe.noise:
        return pixels
    u = torch.rand(3, generator=generator).tolist()
    if recipe.gamma:
        pixels = 255 * (pixels / 255) ** math.exp(recipe.gamma * (2 * u[0] - 1))
    if recipe.sharpness:
        amount = recipe.sharpness * (2 * u[1] - 1)  # negative: blur, positive: sharpen
        offsets = torch.arange(-4, 5, dtype=torch.float32, device=pixels.device)
        kernel = torch.exp(-((offsets / BLUR) ** 2) / 2)
        kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
        blurred = F.conv2d(F.pad(pixels[None], (4, 4, 4, 4), mode="replicate"), kernel, groups=3)
        blurred = F.conv2d(blurred, kernel.transpose(2, 3), groups=3)[0]
        pixels = pixels + max(amount, -1.0) * (pixels - blurred)
    if recipe.noise:
        noise = torch.randn(pixels.shape, generator=generator).to(pixels.device)
        pixels = pixels + recipe.noise * u[2] * noise
    return pixels.clamp(0, 255)
