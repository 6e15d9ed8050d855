"""Pictures, and pixels -> sensor_msgs/Image and CompressedImage. `decoders` has the way back."""

import sys
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, Header, Time, WireError, message_type, serialise_with

UInt8 = npt.NDArray[np.uint8]
DEFAULT_MAX_PIXELS = 64_000_000
# With a level, libpng tries all filters for each row, which takes three times as long as everything else; one that is
# named it takes at once. Rows of labels are mostly like the one above.
PNG_SETTINGS: tuple[int, ...] = (cv2.IMWRITE_PNG_COMPRESSION, 1)
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # newer than OpenCV of apt up to Lyrical
    PNG_SETTINGS += (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)


@dataclass(frozen=True)
class Picture:
    """A decoded image message: its `header`, `pixels` uint8 (H, W, 3) with channels in `order`.

    `pixels` may be a view into the message bytes: read only, rows possibly padded; or `device.DevicePixels`, which
    numpy.asarray copies to the CPU. late: how many messages came between
    its own and the one that completed it, in a video.
    """

    header: Header
    pixels: UInt8
    order: Literal["bgr", "rgb"]
    late: int = 0

    def bgr(self) -> UInt8:
        """The pixels in BGR order; copied only if they are RGB."""
        if self.order == "bgr":
            return np.asarray(self.pixels)
        swapped: UInt8 = cv2.cvtColor(np.asarray(self.pixels), cv2.COLOR_RGB2BGR)
        return swapped


def encode_image(header: Header, pixels: npt.NDArray[Any], encoding: str) -> bytes:
    """Serialised sensor_msgs/Image of (H, W) or (H, W, channels), rows without padding; encoding names the type."""
    height, width = pixels.shape[:2]
    message = message_type(IMAGE)(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.nbytes // height,
        data=np.empty(0, np.uint8),
    )
    return serialise_with(message, IMAGE, pixels)


def encode_jpeg(header: Header, bgr: UInt8, quality: int = 90) -> bytes:
    """Serialised sensor_msgs/CompressedImage, JPEG of uint8 (H, W, 3) BGR."""
    return encode_compressed(header, jpeg_file(bgr, quality), "bgr8; jpeg compressed bgr8")


def encode_png(header: Header, labels: UInt8) -> bytes:
    """Serialised sensor_msgs/CompressedImage, lossless PNG of a label map uint8 (H, W)."""
    return encode_compressed(header, png_file(labels), "mono8; png compressed mono8")


def png_file(pixels: UInt8) -> UInt8:
    """Content of a PNG file, uint8 with one axis."""
    done, content = cv2.imencode(".png", pixels, PNG_SETTINGS)
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


def encode_compressed(header: Header, content: UInt8, kind: str) -> bytes:
    """Serialised sensor_msgs/CompressedImage of file bytes (uint8, one axis); kind: field `format`."""
    message = message_type(COMPRESSED_IMAGE)(header=header, format=kind, data=np.empty(0, np.uint8))
    return serialise_with(message, COMPRESSED_IMAGE, content)


def make_header(nanoseconds: int, frame_id: str) -> Header:
    """std_msgs/Header with a stamp in nanoseconds since the epoch."""
    stamp = message_type("builtin_interfaces/msg/Time")(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    return as_header(stamp, frame_id)


def as_header(stamp: Time, frame_id: str) -> Header:
    """std_msgs/Header of its two fields."""
    header: Header = message_type("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)
    return header


def stamp_ns(header: Header) -> int:
    """Nanoseconds since the epoch of a header's stamp."""
    return int(header.stamp.sec) * 10**9 + int(header.stamp.nanosec)


def check_size(height: int, width: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    """Raise WireError for an image without pixels or with more than `max_pixels`."""
    if height == 0 or width == 0:
        raise WireError(f"image of size {width}x{height} has no pixels")
    if height * width > max_pixels:
        raise WireError(f"image declares {width}x{height}, over the limit of {max_pixels} pixels (max_pixels)")
