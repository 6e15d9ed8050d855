"""From frames to the input of a network, on the CPU."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit, prange

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import Frame, UInt8

Batch = npt.NDArray[np.float32]


def normalise(
    frames: Sequence[Frame],
    spec: ModelSpec,
    size: tuple[int, int],
    *,
    planar: bool = False,
    out: npt.NDArray[Any] | None = None,
) -> Batch:
    """Frames of one size, resized to `size` (H', W') -> (pixel - mean) / std, float32.

    planar: (N, 3, H', W') instead of (N, H', W', 3). out: reused if it has that shape and
    type, otherwise a new array is returned. On a large frame, allocation costs more than the arithmetic.
    """
    height, width = size
    shape = (len(frames), 3, height, width) if planar else (len(frames), height, width, 3)
    batch = reused(shape, np.float32, out)
    for pixels, frame in zip(batch, frames, strict=True):
        source = resized(frame, spec, size)
        if planar:
            _planes(*cv2.split(source), np.array(spec.mean, np.float32), np.array(spec.std, np.float32), pixels)
        else:
            cv2.subtract(source, (*spec.mean, 0.0), dst=pixels, dtype=cv2.CV_32F)
    if not planar and spec.std != (1.0, 1.0, 1.0):
        np.divide(batch, np.array(spec.std, np.float32), out=batch)
    return batch


def reused(shape: tuple[int, ...], dtype: npt.DTypeLike, out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """`out` if it has this shape and type, else a new array."""
    return out if out is not None and out.shape == shape and out.dtype == dtype else np.empty(shape, dtype)


def resized(frame: Frame, spec: ModelSpec, size: tuple[int, int]) -> UInt8:
    """Pixels of a frame at `size` (H', W'), channels in the order of the network."""
    pixels: UInt8 = np.asarray(frame.pixels)
    if pixels.shape[:2] != size:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR)
    if frame.order != spec.channel_order:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # reverses the channels, so it also serves RGB to BGR
    return pixels


@njit(cache=True, parallel=True, nogil=True)
def _planes(  # pragma: no cover
    first: UInt8, second: UInt8, third: UInt8, mean: Batch, std: Batch, planes: Batch
) -> None:  # pragma: no cover
    height, width = first.shape
    factor = np.float32(1) / std
    for y in prange(height):
        for x in range(width):
            planes[0, y, x] = (np.float32(first[y, x]) - mean[0]) * factor[0]
        for x in range(width):
            planes[1, y, x] = (np.float32(second[y, x]) - mean[1]) * factor[1]
        for x in range(width):
            planes[2, y, x] = (np.float32(third[y, x]) - mean[2]) * factor[2]
