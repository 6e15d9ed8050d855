"""sensor_msgs/Image and CompressedImage <-> pixels."""

import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.image.image import ImageError, image_to_cvimage, to_cvtype

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError, deserialise, serialise, typestore
from icnet_ros.wire.picture_file import decode_picture, picture_size

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError:  # no ROS installation, or one without cv_bridge
    CvBridge, CvBridgeError = None, ImageError

UInt8 = npt.NDArray[np.uint8]
DEFAULT_MAX_PIXELS = 64_000_000

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


@dataclass(frozen=True)
class Picture:
    """A decoded image message: its `header`, `pixels` uint8 (H, W, 3) with channels in `order`.

    `pixels` may be a view into the message bytes: read only, rows possibly padded.
    """

    header: Any
    pixels: UInt8
    order: Literal["bgr", "rgb"]

    def bgr(self) -> UInt8:
        """The pixels in BGR order; copied only if they are RGB."""
        if self.order == "bgr":
            return self.pixels
        swapped: UInt8 = cv2.cvtColor(self.pixels, cv2.COLOR_RGB2BGR)
        return swapped


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
    return Picture(message.header, _convert(message), "bgr")


def decode_compressed(data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Picture of a serialised sensor_msgs/CompressedImage holding a JPEG or PNG.

    The declared size is checked before decompression. Raises WireError for other formats and for
    corrupt files.
    """
    message = deserialise(data, COMPRESSED_IMAGE)
    content = bytes(message.data)
    try:
        kind, height, width = picture_size(content)
    except WireError as err:
        raise WireError(f"CompressedImage of format {message.format!r}, {err}") from err
    check_size(height, width, max_pixels)
    pixels = decode_picture(content, kind, height, width)
    encoding = message.format.partition(";")[0].strip()
    if encoding.startswith("bayer_") and (pixels[..., :1] == pixels).all():  # image_transport compresses the mosaic
        mosaic = np.ascontiguousarray(pixels[..., 0])
        kind = f"{encoding.rstrip('0123456789')}8"
        pixels = _convert(
            SimpleNamespace(
                height=height, width=width, encoding=kind, is_bigendian=0, step=width, data=mosaic.reshape(-1)
            )
        )
    return Picture(message.header, pixels, "bgr")


def decode_labels(data: bytes) -> tuple[Any, UInt8]:
    """Header and label map (H, W) of a serialised mono8 Image. Raises WireError."""
    message = deserialise(data, IMAGE)
    if message.encoding not in ("mono8", "8UC1"):
        raise WireError(f"a label image is mono8, this one is {message.encoding!r}")
    check_size(message.height, message.width)
    return message.header, rows_of(message, np.dtype(np.uint8), 1)


def encode_image(header: Any, pixels: npt.NDArray[Any], encoding: str) -> bytes:
    """Serialised sensor_msgs/Image of (H, W) or (H, W, channels), rows without padding; encoding names the type."""
    height, width = pixels.shape[:2]
    types = typestore().types
    message = types[IMAGE](
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.nbytes // height,
        data=np.empty(0, np.uint8),
    )
    # The pixels come last, after their number as uint32. rosbags would copy them three times.
    fields = memoryview(serialise(message, IMAGE))[:-4]
    return b"".join((fields, pixels.nbytes.to_bytes(4, sys.byteorder), np.ascontiguousarray(pixels).data))


def encode_jpeg(header: Any, bgr: UInt8, quality: int = 90) -> bytes:
    """Serialised sensor_msgs/CompressedImage, JPEG of uint8 (H, W, 3) BGR."""
    return encode_compressed(header, jpeg_file(bgr, quality), "bgr8; jpeg compressed bgr8")


def encode_png(header: Any, labels: UInt8) -> bytes:
    """Serialised sensor_msgs/CompressedImage, lossless PNG of a label map uint8 (H, W)."""
    return encode_compressed(header, png_file(labels), "mono8; png compressed mono8")


def png_file(pixels: UInt8) -> UInt8:
    """Content of a PNG file, uint8 with one axis."""
    done, content = cv2.imencode(".png", pixels, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    if not done:
        raise WireError(f"OpenCV cannot encode {pixels.dtype} {pixels.shape} as PNG")
    flat: UInt8 = content.reshape(-1)
    return flat


def jpeg_file(bgr: UInt8, quality: int = 90) -> UInt8:
    """Content of a JPEG file, uint8 with one axis."""
    done, content = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise WireError(f"OpenCV cannot encode {bgr.dtype} {bgr.shape} as JPEG")
    flat: UInt8 = content.reshape(-1)
    return flat


def encode_compressed(header: Any, content: UInt8, kind: str) -> bytes:
    """Serialised sensor_msgs/CompressedImage of file bytes (uint8, one axis); kind: field `format`."""
    types = typestore().types
    return serialise(types[COMPRESSED_IMAGE](header=header, format=kind, data=content), COMPRESSED_IMAGE)


def make_header(nanoseconds: int, frame_id: str) -> Any:
    """std_msgs/Header with a stamp in nanoseconds since the epoch."""
    types = typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)


def stamp_ns(header: Any) -> int:
    """Nanoseconds since the epoch of a header's stamp."""
    return int(header.stamp.sec) * 10**9 + int(header.stamp.nanosec)


def check_size(height: int, width: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    """Raise WireError for an image without pixels or with more than `max_pixels`."""
    if height == 0 or width == 0:
        raise WireError(f"image of size {width}x{height} has no pixels")
    if height * width > max_pixels:
        raise WireError(f"image declares {width}x{height}, over the limit of {max_pixels} pixels (max_pixels)")


def rows_of(message: Any, dtype: "np.dtype[Any]", channels: int) -> Any:
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


def _convert(message: Any) -> UInt8:
    if message.encoding not in CONVERTED:
        raise WireError(f"encoding {message.encoding!r} is not one of {', '.join((*FAST, *CONVERTED))}")
    _, _, kind, channels = to_cvtype(message.encoding)
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    # Neither converter supports padded rows, and not both swap bytes.
    pixels = np.ascontiguousarray(rows_of(message, dtype, channels), np.dtype(kind))
    compact = SimpleNamespace(
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


def _by_cv_bridge(message: Any) -> Any:
    try:
        return CvBridge().imgmsg_to_cv2(message, "bgr8")
    except ImportError:  # its C extension is loaded only now, and may need another numpy
        return image_to_cvimage(message, "bgr8")
