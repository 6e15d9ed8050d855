"""The images of a dataset as tensors on the training device, in memory as far as it goes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch
from torch import Tensor

from icnet_ros.dataset.base import Dataset


class Pool:
    """Keeps what it has read, up to `limit` bytes; the rest is read again each time, on threads."""

    def __init__(self, dataset: Dataset, device: torch.device, limit: int = 8 << 30) -> None:
        self._dataset = dataset
        self._device = device
        self._left = limit
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._threads = ThreadPoolExecutor(4)

    def take(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Images uint8 (3, H, W) and labels uint8 (H, W) of these indices. Raises DatasetError."""
        return list(self._threads.map(self._get, indices))

    def _get(self, index: int) -> tuple[Tensor, Tensor]:
        if index in self._kept:
            return self._kept[index]
        image, labels = self._dataset[index]
        pair = torch.from_numpy(image).permute(2, 0, 1).to(self._device), torch.from_numpy(labels).to(self._device)
        size = sum(tensor.numel() for tensor in pair)
        if size <= self._left:
            self._left -= size
            self._kept[index] = pair
        return pair


def class_frequencies(dataset: Dataset) -> Tensor:
    """Share of each class in all labelled pixels, float64 (classes,). Reads every label."""
    counts = torch.zeros(256, dtype=torch.float64)
    for index in range(len(dataset)):
        counts += torch.bincount(torch.from_numpy(dataset[index][1]).flatten().long(), minlength=256)
    counts = counts[: len(dataset.classes)]
    return counts / counts.sum()


def order(seed: int, position: int, count: int) -> int:
    """Index of the image at `position`, counted through epochs that each shuffle all `count` images.

    The same on every machine and after every resume.
    """
    epoch, place = divmod(position, count)
    return int(_shuffled(seed, epoch, count)[place])


@lru_cache(maxsize=2)
def _shuffled(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
