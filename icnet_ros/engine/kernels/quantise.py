"""From frames to the input of an int8 network that takes quantised pixels, on the CPU."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import Float32, Frame, UInt8
from icnet_ros.engine.kernels.normalise import resized, reused
from icnet_ros.wire.arrays import kernel_input

Quantised = npt.NDArray[np.int8 | np.uint8]


class Quantiser(NamedTuple):
    """pixel * factor + offset, rounded and limited to the range of `dtype`, int8 or uint8. float32 (3,), by channel."""

    factor: Float32
    offset: Float32
    dtype: npt.DTypeLike


def quantise(
    frames: Sequence[Frame],
    spec: ModelSpec,
    size: tuple[int, int],
    quantiser: Quantiser,
    out: npt.NDArray[Any] | None = None,
) -> Quantised:
    """Frames of one size, resized to `size` (H', W') -> quantised pixels (N, H', W', 3).

    out: reused if it has that shape and type, otherwise a new array is returned.
    """
    height, width = size
    batch = reused((len(frames), height, width, 3), quantiser.dtype, out)
    factor, offset = (np.tile(values, width) for values in quantiser[:2])
    limits = np.iinfo(quantiser.dtype)
    low, high = np.float32(limits.min), np.float32(limits.max)
    for pixels, frame in zip(batch, frames, strict=True):
        source = kernel_input(resized(frame, spec, size), np.uint8).reshape(height, -1)
        _quantise(source, factor, offset, low, high, pixels.view(np.uint8).reshape(height, -1))
    return batch


@njit(cache=True, parallel=True, nogil=True)
def _quantise(  # pragma: no cover
    pixels: UInt8, factor: Float32, offset: Float32, low: np.float32, high: np.float32, quantised: UInt8
) -> None:  # pragma: no cover
    """quantised: the bits of int8 or uint8, so that there is one kernel for both."""
    for y in prange(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            value = np.rint(np.float32(pixels[y, x]) * factor[x] + offset[x])
            quantised[y, x] = np.uint8(np.int32(min(max(value, low), high)))
