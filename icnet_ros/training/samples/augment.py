"""Random mirror, resize, crop, colour, surface, weather, light and camera, on the device the network trains on.

Nothing here waits for a GPU: whatever depends on pixels stays on the device.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.training.conditions import camera_pipeline, drawn_outliers, night, weather
from icnet_ros.training.conditions.scene_classes import SceneClasses
from icnet_ros.training.loss import IGNORE
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.texture import RANDOM_NUMBERS, cellular
from icnet_ros.training.targets import OUTLIER, stack_targets

BLUR = 1.5  # pixels, standard deviation of the Gaussian for blur and unsharp mask
NO_SCENE = SceneClasses()
# Random numbers of a crop: scale, place, class and mirror; colour; surface; gamma, sharpness and noise; which of the
# following; weather; night; camera; covered lens. New ones go to the end, so that the others stay as they were.
DRAWS = [5, 5, 3 + RANDOM_NUMBERS, 4, 3]
DRAWS += [part.RANDOM_NUMBERS for part in (weather, night, camera_pipeline, drawn_outliers)]
NOISE, CONDITIONS = sum(DRAWS[:4]) - 1, sum(DRAWS[:4])


def augment(
    pairs: Sequence[tuple[Tensor, Tensor]],
    mean: Tensor,
    recipe: Recipe,
    generators: Sequence[torch.Generator],
    class_ids: Sequence[int | None] | None = None,
    scene: SceneClasses = NO_SCENE,
) -> tuple[Tensor, Tensor]:
    """A batch of crops.

    pairs: images uint8 (3, H, W) and labels uint8 (H, W), or targets (4, H, W) as `training.targets` describes them;
    sizes may differ. mean: (3,), 0..255. generators: one for
    each pair, on the CPU; all that is random comes from them. class_ids: a class that the crop of the pair contains if
    its image does. scene: the classes that `road_texture` and `weather` are about.
    Returns images float32 (N, 3, h, w) with the mean subtracted and labels int64 (N, h, w), or targets (N, 4, h, w).
    Outside the image: the mean colour and the ignore id.
    """
    on_cpu = torch.stack([torch.rand(sum(DRAWS), generator=generator) for generator in generators])
    place, colour, surface, degradation, *conditions = torch.split(to_device(on_cpu, mean.device), DRAWS, dim=1)
    grids = _grids(pairs, class_ids or [None] * len(pairs), place, recipe)
    inside = (grids.abs() <= 1).all(-1)
    pixels = torch.cat([_sample(image, grid, "bilinear") for (image, _), grid in zip(pairs, grids, strict=True)])
    targets = _sample_targets([labels for _, labels in pairs], grids)
    ids = targets[:, 0] if targets.ndim == 4 else targets
    pixels = _jitter(pixels, recipe, colour)
    if (on_cpu[:, sum(DRAWS[:2])] < recipe.road_texture + recipe.texture).any():
        pixels = pixels * (1 + _surfaces(ids, recipe, scene.road, surface))[:, None]
    pixels = pixels.clamp(0, 255)
    if (on_cpu[:, CONDITIONS + 2] < recipe.covered).any():
        covered = (conditions[0][:, 2] < recipe.covered)[:, None, None]
        pixels = torch.where(covered[:, None], drawn_outliers.cover(pixels, conditions[4]), pixels)
        targets = torch.where(covered if targets.ndim == 3 else covered[:, None], _nothing(targets), targets)
    if recipe.dark or recipe.weather:
        pixels = _conditions(pixels, ids, recipe, scene, conditions, on_cpu[:, CONDITIONS])
    pixels = _degrade(pixels, recipe, degradation, on_cpu[:, NOISE].tolist())
    if (on_cpu[:, CONDITIONS + 1] < recipe.camera).any():
        sent = camera_pipeline.through_camera(pixels, conditions[3])
        pixels = torch.where(conditions[0][:, 1, None, None, None] < recipe.camera, sent, pixels)
    pixels = pixels - mean[:, None, None]
    return pixels * inside[:, None], torch.where(inside if targets.ndim == 3 else inside[:, None], targets, IGNORE)


def _sample_targets(labels: Sequence[Tensor], grids: Tensor) -> Tensor:
    """Labels (N, h, w) of the crops, or targets (N, 4, h, w)."""
    drawn = [
        _sample(one.view(-1, *one.shape[-2:]), grid, "nearest")[0] for one, grid in zip(labels, grids, strict=True)
    ]
    return stack_targets([one.squeeze(0).long() for one in drawn])


def _nothing(targets: Tensor) -> Tensor:
    """Targets of crops that show nothing of the classes; ids alone if the targets are ids."""
    result = torch.full_like(targets, IGNORE)
    (result[:, 0] if targets.ndim == 4 else result)[:] = OUTLIER
    return result


def _conditions(
    pixels: Tensor, ids: Tensor, recipe: Recipe, scene: SceneClasses, draws: Sequence[Tensor], on_cpu: Tensor
) -> Tensor:
    """Night in `recipe.dark` of the crops, weather in further `recipe.weather`. on_cpu: (N,), draws[0][:, 0]."""
    kind = draws[0][:, 0, None, None, None]
    if (on_cpu < recipe.dark).any():
        pixels = torch.where(kind < recipe.dark, night.night(pixels, ids, draws[2], scene), pixels)
    if ((on_cpu >= recipe.dark) & (on_cpu < recipe.dark + recipe.weather)).any():
        wanted = (kind >= recipe.dark) & (kind < recipe.dark + recipe.weather)
        pixels = torch.where(wanted, weather.weather(pixels, ids, draws[1], scene), pixels)
    return pixels


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Values of the CPU on the device; does not wait for what the device still has to do."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values


def _grids(
    pairs: Sequence[tuple[Tensor, Tensor]], class_ids: Sequence[int | None], draws: Tensor, recipe: Recipe
) -> Tensor:
    """Positions of the pixels of each crop in its image, (N, h, w, 2) of x and y, -1..1 in the image."""
    device = draws.device
    source = to_device(torch.tensor([labels.shape[-2:] for _, labels in pairs], dtype=torch.float32), device)
    low, high = (math.log(value) for value in (recipe.rows if recipe.rows[1] else recipe.scale))
    scale = (low + draws[:, :1] * (high - low)).exp() / (source[:, :1] if recipe.rows[1] else 1)
    target = to_device(torch.tensor(recipe.crop, dtype=torch.float32), device)
    room = source * scale - target
    offset = draws[:, 1:3] * room  # negative: the picture lies inside the crop
    wanted = [
        _pixel_of(labels if labels.ndim == 2 else labels[0], class_id, draw)
        for (_, labels), class_id, draw in zip(pairs, class_ids, draws[:, 3], strict=True)
    ]
    pixel = torch.stack(wanted)
    around = (pixel * scale - draws[:, 1:3] * target).clamp(min=torch.zeros_like(room), max=room)
    offset = torch.where((pixel >= 0) & (room > 0), around, offset)
    axes = []
    for axis, length in enumerate(recipe.crop):
        positions = torch.arange(length, device=device) + 0.5 + offset[:, axis : axis + 1]  # in the scaled image
        axes.append(positions / (scale * source[:, axis : axis + 1]) * 2 - 1)
    y, x = axes
    x = torch.where(draws[:, 4:] < 0.5, x.flip(1), x)
    height, width = recipe.crop
    return torch.stack([x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=-1)


def _pixel_of(labels: Tensor, class_id: int | None, draw: Tensor) -> Tensor:
    """(row, column) of a pixel of a class, drawn with a random number; (-1, -1) if there is none."""
    if class_id is None:
        return draw.new_full((2,), -1)
    ordinal = (labels == class_id).flatten().cumsum(0)  # of the pixels of the class, from 1
    count = ordinal[-1]
    index = torch.searchsorted(ordinal, (draw * count).long().clamp(max=count - 1) + 1)
    place = torch.stack([index // labels.shape[1], index % labels.shape[1]]).float()
    return torch.where(count > 0, place, -1.0)


def _sample(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    return F.grid_sample(values.float()[None], grid[None], mode=mode, padding_mode="border", align_corners=False)


def _jitter(pixels: Tensor, recipe: Recipe, draws: Tensor) -> Tensor:
    """Random brightness, contrast and tint; pixels (N, 3, h, w)."""
    amounts = 2 * draws[:, :, None, None] - 1
    pixels = pixels * (1 + recipe.brightness * amounts[:, :1])
    grey = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (pixels - grey) * (1 + recipe.contrast * amounts[:, 1:2]) + grey
    return pixels * (1 + recipe.colour * amounts[:, 2:5])


def _surfaces(ids: Tensor, recipe: Recipe, road: int, draws: Tensor) -> Tensor:
    """Relative brightness (N, h, w) of a surface on all pixels of one class; ids (N, h, w).

    The class is the road, or that of a random pixel. 0 everywhere in crops without a surface, and where that pixel is
    not labelled.
    """
    count, height, width = ids.shape
    row, column = (draws[:, 1] * height).long(), (draws[:, 2] * width).long()
    on_road = draws[:, 0] < recipe.road_texture
    chosen = torch.where(on_road, road, ids[torch.arange(count, device=ids.device), row, column])[:, None, None]
    wanted = draws[:, 0] < recipe.road_texture + recipe.texture
    drawn = (ids == chosen) & (chosen != IGNORE) & wanted[:, None, None]
    return cellular(height, width, draws[:, 3:], ground=on_road) * drawn


def _degrade(pixels: Tensor, recipe: Recipe, draws: Tensor, noise_starts: Sequence[float]) -> Tensor:
    """Random gamma, sharpness and noise, as of other cameras; pixels (N, 3, h, w) in 0..255."""
    if not recipe.gamma and not recipe.sharpness and not recipe.noise:
        return pixels
    gamma, sharpness, noise = draws[:, :3, None, None, None].unbind(1)
    if recipe.gamma:
        pixels = 255 * (pixels / 255) ** (recipe.gamma * (2 * gamma - 1)).exp()
    if recipe.sharpness:
        amount = (recipe.sharpness * (2 * sharpness - 1)).clamp(min=-1)  # negative: blur, positive: sharpen
        offsets = torch.arange(-4, 5, dtype=torch.float32, device=pixels.device)
        kernel = torch.exp(-((offsets / BLUR) ** 2) / 2)
        kernel = (kernel / kernel.sum())[None, None, None]
        planes = F.pad(pixels, (4, 4, 4, 4), mode="replicate").flatten(0, 1)[:, None]  # faster than groups
        blurred = F.conv2d(F.conv2d(planes, kernel), kernel.transpose(2, 3)).view_as(pixels)
        pixels = pixels + amount * (pixels - blurred)
    if recipe.noise:
        length = pixels[0].numel()
        drawn = _noise(2 * length, pixels.device)
        starts = [int(start * length) for start in noise_starts]
        noises = torch.stack([drawn[start : start + length] for start in starts]).view_as(pixels)
        pixels = pixels + recipe.noise * noise * noises
    return pixels.clamp(0, 255)


@lru_cache(maxsize=2)
def _noise(length: int, device: torch.device) -> Tensor:
    """Standard normal noise, drawn once: each crop takes a random part of it."""
    return torch.randn(length, generator=torch.Generator().manual_seed(0)).to(device)
