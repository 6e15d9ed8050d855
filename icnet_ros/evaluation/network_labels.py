"""Labels of every exit of a checkpoint by its torch network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Frame
from icnet_ros.engine.kernels.normalise import normalise
from icnet_ros.engine.kernels.upsample import label_map
from icnet_ros.network.fold import for_inference
from icnet_ros.render.painter import UInt8


class NetworkLabels:
    """Labels images with all exits of a checkpoint. Views of an image are (input scale, whether it is mirrored)."""

    def __init__(self, checkpoint: Checkpoint, device: str) -> None:
        network = for_inference(checkpoint.network()).to(device)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._spec, self._device, self._threads = checkpoint.spec, device, torch.get_num_threads()

    @torch.inference_mode()
    def __call__(self, image: UInt8, views: Sequence[tuple[float, bool]]) -> dict[str, UInt8]:
        """Label map by exit; with several views that of the mean of their softmax probabilities."""
        height, width = image.shape[:2]
        by_view = [self._logits(image, view) for view in views]
        labels: dict[str, UInt8] = {}
        for name, *logits in zip(self._spec.exits, *by_view, strict=True):
            if len(views) == 1:
                labels[name] = label_map(logits[0].permute(1, 2, 0).cpu().numpy(), height, width)
            else:
                labels[name] = _mean_probability(logits, height, width).argmax(0).byte().cpu().numpy()
        # If Numba uses OpenMP, it also changes the number of threads of torch, and so the rounding of torch.
        torch.set_num_threads(self._threads)
        return labels

    def _logits(self, image: Any, view: tuple[float, bool]) -> list[Tensor]:
        """Logits (classes, h, w) of every exit for one scaled, perhaps mirrored, image; mirrored back."""
        scale, mirrored = view
        pixels = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
        height, width = pixels.shape[:2]
        size = self._spec.network_size(height, width, scale)
        batch = torch.from_numpy(normalise([Frame(pixels)], self._spec, size)).permute(0, 3, 1, 2).to(self._device)
        return [logits[0].flip(-1) if mirrored else logits[0] for logits in self._network(batch)]


def _mean_probability(logits: Sequence[Tensor], height: int, width: int) -> Tensor:
    full = [F.interpolate(one[None], (height, width), mode="bilinear", align_corners=True)[0] for one in logits]
    return torch.stack([one.softmax(0) for one in full]).mean(0)
