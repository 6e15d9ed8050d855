"""sensor_msgs/CompressedImage -> picture."""

from typing import ClassVar

import numpy as np

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, WireError, deserialise
from icnet_ros.wire.decoders.base import ImageInfo, StatelessDecoder
from icnet_ros.wire.decoders.image import RawPixels, convert
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, Picture, check_size
from icnet_ros.wire.jpeg import DamagedImageError
from icnet_ros.wire.picture_file import decode_picture, picture_size


class CompressedImageDecoder(StatelessDecoder):
    """Images as JPEG or PNG files."""

    transports: ClassVar[tuple[str, ...]] = ("compressed",)

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        message = deserialise(data, COMPRESSED_IMAGE)
        try:
            size = picture_size(bytes(message.data))[1:]
        except WireError:  # another format
            size = None
        return ImageInfo(message.header, size, str(message.format))

    def picture(self, data: bytes | memoryview, max_pixels: int) -> Picture:
        """See StatelessDecoder."""
        return decode_compressed(data, max_pixels)


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
    try:
        pixels = decode_picture(content, kind, height, width)
    except DamagedImageError as err:
        raise err.in_message(message.header) from err
    encoding = message.format.partition(";")[0].strip()
    if encoding.startswith("bayer_") and (pixels[..., :1] == pixels).all():  # image_transport compresses the mosaic
        mosaic = np.ascontiguousarray(pixels[..., 0])
        kind = f"{encoding.rstrip('0123456789')}8"
        pixels = convert(RawPixels(height, width, kind, is_bigendian=0, step=width, data=mosaic.reshape(-1)))
    return Picture(message.header, pixels, "bgr")
