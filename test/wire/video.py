"""Decoders with a state, for tests: a video of one grey value in messages of sensor_msgs/CompressedImage."""

from collections.abc import Sequence

import numpy as np

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, WireError, deserialise
from icnet_ros.wire.decoders.base import ImageInfo, StatelessDecoder
from icnet_ros.wire.image import Picture, encode_compressed, make_header


class SumDecoder(StatelessDecoder):
    """A video of one grey value: a key frame sets it, a delta adds to it; each picture is `LATE` messages late."""

    transports, stateful, LATE = ("compressed",), True, 0

    def __init__(self):
        self.value, self.waiting, self.count = None, [], 0

    def peek(self, data):
        message = deserialise(data, COMPRESSED_IMAGE)
        return ImageInfo(message.header, None, message.format, key=message.format == "key", video=True)

    def picture(self, data, max_pixels):
        raise NotImplementedError

    def decode(self, data, max_pixels=0) -> Sequence[Picture]:
        self.count += 1
        message = deserialise(data, COMPRESSED_IMAGE)
        if message.format == "corrupt":
            raise WireError("corrupt packet")
        if message.format != "key" and self.value is None:
            raise WireError("no key frame yet")
        self.value = int(message.data[0]) + (0 if message.format == "key" else self.value)
        self.waiting.append((self.count, message.header, np.full((2, 3, 3), self.value, np.uint8)))
        return [self._next()] if len(self.waiting) > self.LATE else []

    def flush(self):
        return [self._next() for _ in list(self.waiting)]

    def _next(self):
        number, header, pixels = self.waiting.pop(0)
        return Picture(header, pixels, "bgr", self.count - number)


class LateDecoder(SumDecoder):
    """Two messages late."""

    LATE = 2


def packets(*parts):
    for number, part in enumerate(parts):
        kind, value = part if isinstance(part, tuple) else ("delta", part)
        yield number, encode_compressed(make_header(1 + number, "cam"), np.array([value], np.uint8), kind)
