"""Pixels of sensor_msgs/Image in other encodings than 8-bit colour -> BGR, with OpenCV.

Rules: 16 bits become 8 by dividing by 257, rounded, so that white stays white. Values of less than 16 bits lie in the
low bits of 16. YUV is BT.601 of video range (16..235), as OpenCV and cv_bridge have it. A Bayer mosaic is interpolated
linearly. Rows may be padded; planes of chroma have the padding of the first plane.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import UInt8

BAYER = {"rggb": "BG", "bggr": "RG", "gbrg": "GR", "grbg": "GB"}  # OpenCV names the second row's second and third pixel
PACKED = {
    "yuv422": cv2.COLOR_YUV2BGR_UYVY, "uyvy": cv2.COLOR_YUV2BGR_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2BGR_YUYV, "yuyv": cv2.COLOR_YUV2BGR_YUYV,
}  # fmt: skip
WIDE = {"mono16": 1, "bgr16": 3, "rgb16": 3, "bgra16": 4, "rgba16": 4}


class ImageFields(Protocol):
    """The fields of a sensor_msgs/Image but its header."""

    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def encoding(self) -> str: ...  # noqa: D102
    @property
    def is_bigendian(self) -> int: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def data(self) -> UInt8: ...  # noqa: D102


@dataclass(frozen=True)
class RawPixels:
    """Pixels as the fields of a sensor_msgs/Image. data: uint8, one axis, rows of `step` bytes."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: UInt8


def rows_of(message: ImageFields, dtype: "np.dtype[Any]", channels: int) -> Any:
    """View (H, W) or (H, W, channels) of the image data; padding behind each row is skipped."""
    row = message.width * channels * dtype.itemsize
    if message.step < row:
        raise WireError(
            f"step {message.step} is less than a row of {message.width} {message.encoding} pixels ({row} bytes)"
        )
    needed = message.step * (message.height - 1) + row
    if message.data.nbytes < needed:
        raise WireError(
            f"{message.data.nbytes} bytes of data for {message.height} rows of step {message.step}: {needed} are needed"
        )
    shape: tuple[int, ...] = (message.height, message.width)
    strides: tuple[int, ...] = (message.step, channels * dtype.itemsize)
    if channels > 1:
        shape, strides = (*shape, channels), (*strides, dtype.itemsize)
    return np.ndarray(shape, dtype, message.data, strides=strides)


def convert(message: ImageFields) -> UInt8:
    """BGR uint8 (H, W, 3) of pixels in one of CONVERTED. Raises WireError."""
    try:
        return CONVERTED[message.encoding](message)
    except (cv2.error, ValueError) as err:
        if isinstance(err, WireError):
            raise
        raise WireError(f"{message.width}x{message.height} {message.encoding} cannot be converted: {err}") from err


def to_8_bits(pixels: npt.NDArray[np.uint16], bits: int = 16) -> UInt8:
    """Values of so many bits as uint8, the largest as 255."""
    scaled: UInt8 = cv2.convertScaleAbs(pixels, alpha=255 / (2**bits - 1))
    return scaled.reshape(pixels.shape)


def demosaic(mosaic: npt.NDArray[Any], pattern: str, bits: int = 16) -> UInt8:
    """BGR uint8 of a Bayer mosaic (H, W), uint8 or uint16. pattern: rggb, bggr, gbrg, grbg. bits: of uint16 values."""
    pixels = cv2.cvtColor(mosaic, getattr(cv2, f"COLOR_Bayer{BAYER[pattern]}2BGR"))
    return to_8_bits(pixels, bits) if pixels.dtype == np.uint16 else np.asarray(pixels, np.uint8)


def _wide_rows(message: ImageFields, channels: int) -> npt.NDArray[np.uint16]:
    """Compact rows of uint16 in the byte order of this machine."""
    order = np.dtype(np.uint16).newbyteorder(">" if message.is_bigendian else "<")
    return np.ascontiguousarray(rows_of(message, order, channels), np.uint16)


def _wide(message: ImageFields) -> UInt8:
    channels = WIDE[message.encoding]
    pixels = to_8_bits(_wide_rows(message, channels))
    order = message.encoding.removesuffix("16").upper()
    if order == "MONO":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return pixels if order == "BGR" else np.asarray(cv2.cvtColor(pixels, getattr(cv2, f"COLOR_{order}2BGR")), np.uint8)


def _bayer(message: ImageFields) -> UInt8:
    pattern, bits = message.encoding[6:10], int(message.encoding[10:])
    if bits == 8:
        return demosaic(np.ascontiguousarray(rows_of(message, np.dtype(np.uint8), 1)), pattern)
    return demosaic(_wide_rows(message, 1), pattern, bits)


def _packed(message: ImageFields) -> UInt8:
    pixels = np.ascontiguousarray(rows_of(message, np.dtype(np.uint8), 2))
    width = message.width
    if width % 2:  # the chroma of the last column is that of the one before it
        pixels = np.concatenate([pixels, pixels[:, -2:-1]], axis=1) if width > 1 else np.repeat(pixels, 2, axis=1)
    return np.ascontiguousarray(cv2.cvtColor(pixels, PACKED[message.encoding])[:, :width])


def _semi_planar(message: ImageFields) -> UInt8:
    """nv12, nv21: luma, then pairs of chroma for 2x2 pixels. nv24: pairs for each pixel."""
    swapped = message.encoding == "nv21"
    full = message.encoding == "nv24"
    height, luma = _luma(message, 3 if full else 1.5)
    pairs_of_a_row = message.width if full else (message.width + 1) // 2
    rows = height if full else (height + 1) // 2
    step = 2 * message.step if full else message.step
    pairs = _plane(message, height * message.step, (rows, pairs_of_a_row, 2), (step, 2, 1))
    if full:  # as the 2x2 pixels of a larger picture
        large = cv2.cvtColorTwoPlane(np.repeat(np.repeat(luma, 2, 0), 2, 1), pairs, cv2.COLOR_YUV2BGR_NV12)
        return np.ascontiguousarray(large[::2, ::2])
    code = cv2.COLOR_YUV2BGR_NV21 if swapped else cv2.COLOR_YUV2BGR_NV12
    return _two_planes(luma, pairs, code)


def _planar(message: ImageFields) -> UInt8:
    """i420, yv12: luma, then two planes of chroma for 2x2 pixels, U first or V first."""
    height, luma = _luma(message, 1.5)
    rows, columns, step = (height + 1) // 2, (message.width + 1) // 2, (message.step + 1) // 2
    start = height * message.step
    planes = [_plane(message, start + k * rows * step, (rows, columns), (step, 1)) for k in (0, 1)]
    if message.encoding == "yv12":
        planes.reverse()
    return _two_planes(luma, np.dstack(planes), cv2.COLOR_YUV2BGR_NV12)


def _luma(message: ImageFields, planes: float) -> tuple[int, UInt8]:
    """Height of the picture and its luma; some drivers count the rows of all planes as its height."""
    height = message.height
    if message.data.nbytes == height * message.step and height % 3 == 0:
        height = round(height / planes)
    first = RawPixels(height, message.width, message.encoding, 0, message.step, message.data)
    return height, np.ascontiguousarray(rows_of(first, np.dtype(np.uint8), 1))


def _plane(message: ImageFields, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> UInt8:
    needed = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    if message.data.nbytes < needed:
        raise WireError(
            f"{message.data.nbytes} bytes of data for {message.width}x{message.height} {message.encoding} of step "
            f"{message.step}: {needed} are needed"
        )
    return np.ascontiguousarray(np.ndarray(shape, np.uint8, message.data, start, strides))


def _two_planes(luma: UInt8, pairs: UInt8, code: int) -> UInt8:
    height, width = luma.shape
    even = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else luma
    return np.ascontiguousarray(cv2.cvtColorTwoPlane(even, pairs, code)[:height, :width])


# encoding -> conversion to BGR
CONVERTED: dict[str, Callable[[ImageFields], UInt8]] = {
    **{f"bayer_{pattern}{bits}": _bayer for bits in (8, 10, 12, 14, 16) for pattern in BAYER},
    **dict.fromkeys(PACKED, _packed),
    **dict.fromkeys(WIDE, _wide),
    **dict.fromkeys(("nv12", "nv21", "nv24"), _semi_planar),
    **dict.fromkeys(("i420", "yv12"), _planar),
}
