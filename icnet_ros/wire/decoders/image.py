"""sensor_msgs/Image -> picture."""

from typing import ClassVar, Literal

import cv2
import numpy as np

from icnet_ros.wire.cdr import IMAGE, Header, WireError, deserialise
from icnet_ros.wire.decoders.base import ImageInfo, StatelessDecoder
from icnet_ros.wire.decoders.pixels import CONVERTED, ImageFields, convert, rows_of
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, Picture, UInt8, check_size
from icnet_ros.wire.pictures.stored_picture import StoredPicture, ids_of

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
# Encodings of which only label images are read, not pictures: ids of simulators, and of drivers that have no 8 bits.
IDS = {"mono16": "u2", "16UC1": "u2", "16SC1": "i2", "32SC1": "i4"}


class ImageDecoder(StatelessDecoder):
    """Raw images: a view into the message for bgr8 and rgb8, one conversion for other encodings."""

    transports: ClassVar[tuple[str, ...]] = ("raw",)
    holds_labels: ClassVar[bool] = True

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        message = deserialise(data, IMAGE)
        encoding = str(message.encoding)
        return ImageInfo(message.header, (message.height, message.width), encoding, channels=channels_of(encoding))

    def picture(self, data: bytes | memoryview, max_pixels: int) -> Picture:
        """See StatelessDecoder."""
        return decode_image(data, max_pixels)

    def labels(self, data: bytes | memoryview) -> tuple[Header, StoredPicture]:
        """See Decoder."""
        header, ids = decode_labels(data)
        return header, StoredPicture(ids)


def decode_image(data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Picture of a serialised sensor_msgs/Image; a view for bgr8 and rgb8, else one conversion.

    Raises WireError for an unsupported encoding and for sizes that do not fit the data.
    """
    message = deserialise(data, IMAGE)
    pixels, order = decode_pixels(message, max_pixels)
    return Picture(message.header, pixels, order)


def decode_pixels(message: ImageFields, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[UInt8, Literal["bgr", "rgb"]]:
    """Pixels uint8 (H, W, 3) of an image and their order; errors as in `decode_image`."""
    check_size(message.height, message.width, max_pixels)
    if message.encoding in FAST:
        channels, order, conversion = FAST[message.encoding]
        pixels = rows_of(message, np.dtype(np.uint8), channels)
        return (pixels if conversion is None else np.asarray(cv2.cvtColor(pixels, conversion))), order
    if message.encoding not in CONVERTED:
        raise WireError(f"encoding {message.encoding!r} is not one of {', '.join((*FAST, *CONVERTED))}")
    return convert(message), "bgr"


def channels_of(encoding: str) -> int:
    """See ImageInfo. 32SC1 is no depth and no picture: such as Isaac Sim's labels."""
    return FAST[encoding][0] if encoding in FAST else int(encoding == "32SC1")


def decode_labels(data: bytes | memoryview) -> tuple[Header, UInt8]:
    """Header and label map (H, W) of a serialised Image: integers, or colour with the id in each channel.

    Raises WireError.
    """
    message = deserialise(data, IMAGE)
    return message.header, labels_of(message)


def labels_of(message: ImageFields) -> UInt8:
    """Class ids uint8 (H, W); errors as in `decode_labels`."""
    check_size(message.height, message.width)
    if kind := IDS.get(message.encoding):
        return ids_of(StoredPicture(rows_of(message, np.dtype((">" if message.is_bigendian else "<") + kind), 1)))
    if message.encoding not in FAST:
        raise WireError(f"a label image is mono8, this one is {message.encoding!r}")
    channels, _, _ = FAST[message.encoding]
    pixels: UInt8 = rows_of(message, np.dtype(np.uint8), channels)
    return pixels if channels == 1 else one_channel(pixels)


def one_channel(pixels: UInt8) -> UInt8:
    """Class ids of an image (H, W, C) that has them in each of its first three channels. Raises WireError."""
    ids = np.ascontiguousarray(pixels[..., 0])
    if any((pixels[..., channel] != ids).any() for channel in (1, 2)):
        raise WireError("a label image is mono8, or has the class id in each channel; this one holds colours")
    return ids
