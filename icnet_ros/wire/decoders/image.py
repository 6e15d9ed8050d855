"""sensor_msgs/Image -> picture."""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import cv2
import numpy as np
from rosbags.image.image import ImageError, image_to_cvimage, to_cvtype

from icnet_ros.wire.cdr import IMAGE, Header, WireError, deserialise
from icnet_ros.wire.decoders.base import ImageInfo, StatelessDecoder
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, Picture, UInt8, check_size

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError:  # no ROS installation, or one without cv_bridge
    CvBridge, CvBridgeError = None, ImageError

# encoding -> (channels, channel order, OpenCV conversion to three channels or None)
FAST: dict[str, tuple[int, Literal["bgr", "rgb"], int | None]] = {
    "bgr8": (3, "bgr", None),
    "8UC3": (3, "bgr", None),
    "rgb8": (3, "rgb", None),
    "bgra8": (4, "bgr", cv2.COLOR_BGRA2BGR),
    "rgba8": (4, "rgb", cv2.COLOR_RGBA2RGB),
    "mono8": (1, "bgr", cv2.COLOR_GRAY2BGR),
    "8UC1": (1, "bgr", cv2.COLOR_GRAY2BGR),
}
# Converted to bgr8 by cv_bridge where present, else by rosbags-image.
CONVERTED = (
    *(f"bayer_{pattern}{bits}" for bits in (8, 16) for pattern in ("rggb", "bggr", "gbrg", "grbg")),
    *("yuv422", "yuv422_yuy2", "uyvy", "yuyv"),
    *("mono16", "bgr16", "rgb16", "bgra16", "rgba16"),
)
# Newer names that cv_bridge does not support in every distribution.
ALIASES = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2"}


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


class ImageDecoder(StatelessDecoder):
    """Raw images: a view into the message for bgr8 and rgb8, one conversion for other encodings."""

    transports: ClassVar[tuple[str, ...]] = ("raw",)
    holds_labels: ClassVar[bool] = True

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        message = deserialise(data, IMAGE)
        return ImageInfo(message.header, (message.height, message.width), str(message.encoding))

    def picture(self, data: bytes | memoryview, max_pixels: int) -> Picture:
        """See StatelessDecoder."""
        return decode_image(data, max_pixels)

    def labels(self, data: bytes | memoryview) -> tuple[Header, UInt8]:
        """See Decoder."""
        return decode_labels(data)


def decode_image(data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Picture of a serialised sensor_msgs/Image; a view for bgr8 and rgb8, else one conversion.

    Raises WireError for an unsupported encoding and for sizes that do not fit the data.
    """
    message = deserialise(data, IMAGE)
    check_size(message.height, message.width, max_pixels)
    if message.encoding in FAST:
        channels, order, conversion = FAST[message.encoding]
        pixels = rows_of(message, np.dtype(np.uint8), channels)
        return Picture(message.header, pixels if conversion is None else cv2.cvtColor(pixels, conversion), order)
    return Picture(message.header, convert(message), "bgr")


def decode_labels(data: bytes | memoryview) -> tuple[Header, UInt8]:
    """Header and label map (H, W) of a serialised mono8 Image. Raises WireError."""
    message = deserialise(data, IMAGE)
    if message.encoding not in ("mono8", "8UC1"):
        raise WireError(f"a label image is mono8, this one is {message.encoding!r}")
    check_size(message.height, message.width)
    return message.header, rows_of(message, np.dtype(np.uint8), 1)


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
    if message.encoding not in CONVERTED:
        raise WireError(f"encoding {message.encoding!r} is not one of {', '.join((*FAST, *CONVERTED))}")
    _, _, kind, channels = to_cvtype(message.encoding)
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    # Neither converter supports padded rows, and not both swap bytes.
    pixels = np.ascontiguousarray(rows_of(message, dtype, channels), np.dtype(kind))
    compact = RawPixels(
        height=message.height,
        width=message.width,
        encoding=ALIASES.get(message.encoding, message.encoding),
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )
    try:
        converted: UInt8 = _by_cv_bridge(compact) if CvBridge is not None else image_to_cvimage(compact, "bgr8")
    except (ImageError, CvBridgeError, cv2.error) as err:
        raise WireError(f"{message.width}x{message.height} {message.encoding} cannot be converted: {err}") from err
    return converted


def _by_cv_bridge(message: ImageFields) -> Any:
    try:
        return CvBridge().imgmsg_to_cv2(message, "bgr8")
    except ImportError:  # its C extension is loaded only now, and may need another numpy
        return image_to_cvimage(message, "bgr8")
