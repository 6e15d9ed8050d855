"""Cache of the images of a dataset, as tensors on the training device."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from icnet_ros.dataset.base import Dataset, Pair
from icnet_ros.training.loss import IGNORE


class SampleCache:
    """Reads images and labels on threads and caches up to `limit` bytes of them."""

    def __init__(self, dataset: Dataset, device: torch.device, limit: int = 8 << 30) -> None:
        self._dataset = dataset
        self._device = device
        self._free = limit  # bytes
        self._cache: dict[Pair, tuple[Tensor, Tensor]] = {}
        self._threads = ThreadPoolExecutor(4)

    def get(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Images uint8 (3, H, W) and labels uint8 (H, W), 255 where unlabelled. Raises DatasetError."""
        return list(self._threads.map(self._get, indices))

    def _get(self, index: int) -> tuple[Tensor, Tensor]:
        key = self._dataset.pairs[index]  # a pair that is listed several times is read once
        if key in self._cache:
            return self._cache[key]
        image, labels = self._dataset[index]
        labels = np.where(labels == self._dataset.classes.ignore, np.uint8(IGNORE), labels)
        pair = torch.from_numpy(image).permute(2, 0, 1).to(self._device), torch.from_numpy(labels).to(self._device)
        size = sum(tensor.numel() for tensor in pair)
        if size <= self._free:
            self._free -= size
            self._cache[key] = pair
        return pair
