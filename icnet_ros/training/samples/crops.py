"""The crops of a training: sampled, read and augmented."""

from collections.abc import Sequence

import torch
from torch import Tensor

from icnet_ros.dataset.base import Dataset
from icnet_ros.training.conditions.scene_classes import SceneClasses
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.augment import augment
from icnet_ros.training.samples.sample_cache import SampleCache
from icnet_ros.training.samples.sampling import Sampler
from icnet_ros.training.targets import Targets, split_targets, stack_targets


class Crops:
    """Crops by their position, counted from the start of the training; they depend on it and the seed only."""

    def __init__(
        self,
        data: Dataset,
        sampler: Sampler,
        recipe: Recipe,
        mean: Sequence[float],
        device: torch.device,
        processes: int,
    ) -> None:
        """mean: of the network's input, 0..255 by channel. processes: that train on this machine, see SampleCache."""
        self._sampler, self._recipe = sampler, recipe
        self._samples = SampleCache(data, device, processes)
        self._mean = torch.tensor(mean, device=device)
        self._scene = SceneClasses.of(data.classes.names)

    def __call__(self, positions: range) -> tuple[Tensor, Targets]:
        """Images float32 (N, 3, h, w) with the mean subtracted, and targets, on the device. Raises DatasetError."""
        sampled = [self._sampler.crop(position) for position in positions]
        pairs = self._samples.get([crop.image for crop in sampled])
        generators = [torch.Generator().manual_seed(self._recipe.seed * 1_000_003 + position) for position in positions]
        class_ids = [crop.class_id for crop in sampled]
        # One crop stays in the caches of a CPU; all together need fewer kernels on a GPU.
        step = 1 if self._mean.device.type == "cpu" else len(pairs)
        parts = [slice(first, first + step) for first in range(0, len(pairs), step)]
        crops = [augment(pairs[p], self._mean, self._recipe, generators[p], class_ids[p], self._scene) for p in parts]
        images = torch.cat([image for image, _ in crops]).to(memory_format=torch.channels_last)
        return images, split_targets(stack_targets([one for _, targets in crops for one in targets]))
