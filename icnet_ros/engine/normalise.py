"""From frames to network input, on the CPU."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import Frame


def normalise(frames: Sequence[Frame], spec: ModelSpec, scale: float) -> npt.NDArray[np.float32]:
    """Frames of one size, resized by `scale` -> (pixel - mean) / std, float32 (N, H', W', 3)."""
    height, width = (round(side * scale) for side in frames[0].pixels.shape[:2])
    batch = np.empty((len(frames), height, width, 3), np.float32)
    for pixels, frame in zip(batch, frames, strict=True):
        source = frame.pixels
        if frame.order != spec.channel_order:
            source = cv2.cvtColor(source, cv2.COLOR_BGR2RGB)  # swaps either way
        if source.shape != pixels.shape:
            source = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)
        cv2.subtract(source, (*spec.mean, 0.0), dst=pixels, dtype=cv2.CV_32F)
        if spec.std != (1.0, 1.0, 1.0):
            np.divide(pixels, np.array(spec.std, np.float32), out=pixels)
    return batch
