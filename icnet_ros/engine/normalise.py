"""From frames to network input, on the CPU."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import Frame


def normalise(
    frames: Sequence[Frame], spec: ModelSpec, scale: float, *, planar: bool = False
) -> npt.NDArray[np.float32]:
    """Frames of one size, resized by `scale` -> (pixel - mean) / std, float32.

    planar: (N, 3, H', W') instead of (N, H', W', 3).
    """
    height, width = (round(side * scale) for side in frames[0].pixels.shape[:2])
    shape = (len(frames), 3, height, width) if planar else (len(frames), height, width, 3)
    batch = np.empty(shape, np.float32)
    for pixels, frame in zip(batch, frames, strict=True):
        source = frame.pixels
        if frame.order != spec.channel_order:
            source = cv2.cvtColor(source, cv2.COLOR_BGR2RGB)  # swaps either way
        if source.shape[:2] != (height, width):
            source = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)
        if planar:
            for channel, mean, plane in zip(cv2.split(source), spec.mean, pixels, strict=True):
                cv2.subtract(channel, mean, dst=plane, dtype=cv2.CV_32F)
        else:
            cv2.subtract(source, (*spec.mean, 0.0), dst=pixels, dtype=cv2.CV_32F)
    if spec.std != (1.0, 1.0, 1.0):
        np.divide(batch, np.array(spec.std, np.float32).reshape((3, 1, 1) if planar else (3,)), out=batch)
    return batch
