"""Cache of the images of a dataset, as tensors on the training device."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from icnet_ros.dataset.base import Dataset, Pair
from icnet_ros.dataset.pseudo_labels import predictions
from icnet_ros.training.loss import IGNORE
from icnet_ros.training.targets import OUTLIER

LARGEST = 8 << 30  # bytes


def available_memory() -> int:
    """Bytes that processes can take without swapping; 4 GiB where /proc/meminfo does not say it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), 4 << 20)
    return int(kilobytes) * 1024


class SampleCache:
    """Reads images and labels on threads; caches them, in up to half of the memory that is free."""

    def __init__(self, dataset: Dataset, device: torch.device, processes: int = 1) -> None:
        """processes: how many share the memory of the machine."""
        self._dataset = dataset
        self._device = device
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory() // processes
        self._free = min(LARGEST, free // 2)  # bytes
        self._cache: dict[Pair, tuple[Tensor, Tensor]] = {}
        self._threads = ThreadPoolExecutor(4)

    def get(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Images uint8 (3, H, W) and labels uint8 (H, W), 255 where unlabelled; targets (4, H, W) with a teacher.

        See `training.targets`. Raises DatasetError.
        """
        return list(self._threads.map(self._get, indices))

    def _get(self, index: int) -> tuple[Tensor, Tensor]:
        key = self._dataset.pairs[index]  # a pair that is listed several times is read once
        if key in self._cache:
            return self._cache[key]
        image, labels = self._dataset[index]
        without = OUTLIER if key.outlier else IGNORE
        labels = np.where(labels == self._dataset.classes.ignore, np.uint8(without), labels)
        if (taught := predictions(self._dataset, index)) is not None:
            labels = np.concatenate([labels[None], np.moveaxis(taught, 2, 0)])
        pair = torch.from_numpy(image).permute(2, 0, 1).to(self._device), torch.from_numpy(labels).to(self._device)
        size = sum(tensor.numel() for tensor in pair)
        if size <= self._free:
            self._free -= size
            self._cache[key] = pair
        return pair
