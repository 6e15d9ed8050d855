"""Sampling of training crops: from which image, and around which class."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from icnet_ros.dataset.base import Dataset

MIN_PIXELS = 50  # labelled pixels of a class that an image needs to be sampled for it


class Crop(NamedTuple):
    """A training crop. image: index. class_id: id of a class that the crop must contain; None: any position."""

    image: int
    class_id: int | None


class Sampler:
    """Samples crops from shuffled epochs or by class; reproducible for a seed, also after a resume."""

    def __init__(self, counts: npt.NDArray[np.int64], seed: int, class_uniform: float) -> None:
        """counts: pixels by image and class. class_uniform: share of the crops that are drawn by class."""
        self._seed, self._class_uniform, self._count = seed, class_uniform, len(counts)
        with_class = [np.flatnonzero(counts[:, k] >= MIN_PIXELS) for k in range(counts.shape[1])]
        self._images = {k: images for k, images in enumerate(with_class) if images.size}

    def crop(self, position: int) -> Crop:
        """The crop at `position`, counted from the start of the training."""
        if self._class_uniform and self._images:
            generator = np.random.default_rng((self._seed, position))
            if generator.random() < self._class_uniform:
                class_id = int(generator.choice(list(self._images)))
                return Crop(int(generator.choice(self._images[class_id])), class_id)
        return Crop(order(self._seed, position, self._count), None)


def order(seed: int, position: int, count: int) -> int:
    """Index of the image at `position`, counted through epochs that each shuffle all `count` images."""
    epoch, place = divmod(position, count)
    return int(_shuffled(seed, epoch, count)[place])


@lru_cache(maxsize=2)
def _shuffled(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def class_counts(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Labelled pixels by image and class, (images, classes). Reads every annotation once. Raises DatasetError."""
    classes = len(dataset.classes)
    first = {str(pair.label): index for index, pair in reversed(list(enumerate(dataset.pairs)))}

    def count(index: int) -> npt.NDArray[np.int64]:
        return np.bincount(dataset.labels(index).reshape(-1), minlength=256)[:classes]

    with ThreadPoolExecutor() as threads:
        rows = dict(zip(first, threads.map(count, first.values()), strict=True))
    return np.stack([rows[str(pair.label)] for pair in dataset.pairs])
