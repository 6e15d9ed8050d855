"""An image message that the middleware delivers as an object."""

import numpy as np
from sensor_msgs.msg import Image

from icnet_ros.wire.decoders.image import decode_pixels
from icnet_ros.wire.decoders.pixels import RawPixels
from icnet_ros.wire.image import Picture, make_header, stamp_ns


class TypedImage:
    """message: a sensor_msgs/Image whose data is in the CPU's memory; the pixels are views of it where they can be."""

    def __init__(self, message: Image) -> None:
        self._message = message

    def picture(self, max_pixels: int) -> Picture:
        """The picture. Raises WireError as `decode_image`."""
        return picture_of(self._message, self._message.data, max_pixels)


def picture_of(message: Image, values: bytes | memoryview, max_pixels: int) -> Picture:
    """The picture of a message whose data is `values`. Raises WireError as `decode_image`."""
    data = np.frombuffer(values, np.uint8)
    data.flags.writeable = False
    fields = RawPixels(message.height, message.width, message.encoding, message.is_bigendian, message.step, data)
    pixels, order = decode_pixels(fields, max_pixels)
    return Picture(make_header(stamp_ns(message.header), message.header.frame_id), pixels, order)
