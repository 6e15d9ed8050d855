"""An image message whose data is in the memory of a device."""

from sensor_msgs.msg import Image

from icnet_ros.engine.base import DeviceLabels
from icnet_ros.node.inputs.buffer_backends import Backend
from icnet_ros.node.inputs.typed_image import picture_of
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.image import FAST
from icnet_ros.wire.device import DevicePixels
from icnet_ros.wire.image import Picture, UInt8, check_size, make_header, stamp_ns


class DeviceImage:
    """message: a sensor_msgs/Image with a Buffer of `backend` as data. The buffer is held as long as this is."""

    def __init__(self, message: Image, backend: Backend) -> None:
        self._message, self._backend = message, backend

    @staticmethod
    def readable(message: Image) -> bool:
        """Whether pixels of this encoding can be used where they are; others are converted on the CPU."""
        return message.encoding in FAST

    def picture(self, max_pixels: int) -> Picture:
        """The picture, its pixels DevicePixels. Raises WireError for sizes that do not fit the data."""
        message = self._message
        height, width, step = message.height, message.width, message.step
        check_size(height, width, max_pixels)
        channels, order, _ = FAST[message.encoding]
        needed = step * (height - 1) + width * channels
        if step < width * channels or len(message.data) < needed:
            raise WireError(
                f"{len(message.data)} bytes of data for {height} rows of {width} {message.encoding} pixels "
                f"with step {step}"
            )
        shape, strides = (height, width, channels), (step, channels, 1)
        pixels = DevicePixels(
            (height, width), lambda stream: self._backend.read(message.data, shape, strides, stream), self._to_host
        )
        return Picture(make_header(stamp_ns(message.header), message.header.frame_id), pixels, order)  # type: ignore[arg-type]

    def labels(self, labels: DeviceLabels) -> Image:
        """The label image of this image, its data in memory of the same backend."""
        height, width = labels.shape
        return Image(
            header=self._message.header,
            height=height,
            width=width,
            encoding="mono8",
            step=width,
            data=self._backend.write(labels),
        )

    def _to_host(self) -> UInt8:
        message = self._message
        return picture_of(message, message.data.to_bytes(), message.height * message.width).pixels
