"""The image messages of one camera: which topic they come on, and their decoder."""

import threading
from collections import deque

from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.inputs.typed_image import TypedImage
from icnet_ros.node.ros.graph import message_class
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.table import open_decoder, topic_of, transports
from icnet_ros.wire.image import Picture


class ImageInput:
    """Decodes the images of a camera. `received` is called on the executor's thread, `decode` on the worker's.

    Only the newest image is decoded, unless the decoder has a state: then every message since the last key frame is.
    topic, kind: name and type of the messages. message_class: of rclpy.
    """

    def __init__(self, topic: str, transport: str) -> None:
        """topic: of the images, without transport. Raises EngineError if the messages' package is not installed."""
        self.topic, self.kind = topic_of(topic, transport), transports()[transport]
        self.message_class = message_class(self.kind)
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all messages, as on activation."""
        with self._lock:
            self._decoder = open_decoder(self.kind)
            self._packets: deque[bytes | memoryview] = deque()

    def received(self, data: bytes | memoryview | DeviceImage | TypedImage) -> None:
        """Take note of a message, also of one that will be dropped."""
        if isinstance(data, DeviceImage | TypedImage) or not self._decoder.stateful:
            return
        try:
            key = self._decoder.peek(data).key
        except WireError:  # reported when it is decoded
            key = False
        with self._lock:
            if key:
                self._packets.clear()
            self._packets.append(data)

    def decode(self, data: bytes | memoryview | DeviceImage | TypedImage, max_pixels: int) -> Picture:
        """The newest picture after message `data`. Raises WireError."""
        if isinstance(data, DeviceImage | TypedImage):
            return data.picture(max_pixels)
        if not self._decoder.stateful:
            return self._decoder.decode(data, max_pixels)[0]
        newest: Picture | None = None
        error = WireError("no picture yet: it comes with a later message")
        for packet in self._until(data):
            try:
                for picture in self._decoder.decode(packet, max_pixels):
                    newest = picture
            except WireError as err:
                error, newest = err, None
        if newest is None:
            raise error
        return newest

    def _until(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        """The messages up to `data` that are not decoded yet."""
        packets = []
        with self._lock:
            while self._packets:
                packets.append(self._packets.popleft())
                if packets[-1] is data:
                    return packets
        return packets
