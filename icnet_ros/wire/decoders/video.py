"""Messages of a video -> pictures: foxglove_msgs/CompressedVideo and ffmpeg_image_transport_msgs/FFMPEGPacket.

Decoding starts at a key frame. A damaged packet is an error; those behind it are decoded on.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from icnet_ros.wire.cdr import COMPRESSED_VIDEO, FFMPEG_PACKET, Header, WireError, deserialise, peek_stamp
from icnet_ros.wire.decoders.base import ImageInfo
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, Picture, UInt8, as_header
from icnet_ros.wire.pictures.stored_picture import StoredPicture
from icnet_ros.wire.video_stream import VideoStream, codec_of, is_key_frame

MAX_WAITING = 64  # headers of packets whose frames did not come


class Packet(NamedTuple):
    """A message of a video. codec: see `codec_of`. key: whether decoding can start with it."""

    header: Header
    codec: str
    data: bytes
    key: bool


class Video:
    """The video of one topic: its stream, and the headers of packets whose frames are to come."""

    def __init__(self) -> None:
        self._stream: VideoStream | None = None
        self._headers: dict[int, Header] = {}
        self._number = -1

    def decode(self, packet: Packet, max_pixels: int) -> Sequence[Picture]:
        """See Decoder."""
        if self._stream is None or self._stream.codec != packet.codec:
            self._stream = VideoStream(packet.codec, max_pixels)
        self._number += 1
        self._headers[self._number] = packet.header
        if len(self._headers) > MAX_WAITING:
            del self._headers[min(self._headers)]
        return self._pictures(self._stream.decode(packet.data, key=packet.key))

    def flush(self) -> Sequence[Picture]:
        """See Decoder."""
        return self._pictures(self._stream.flush()) if self._stream is not None else ()

    def _pictures(self, frames: Sequence[tuple[int, UInt8]]) -> Sequence[Picture]:
        pictures = []
        for late, pixels in frames:
            header = self._headers.pop(self._number - late, None)
            if header is not None:
                pictures.append(Picture(header, pixels, "bgr", late))
        return pictures


class VideoDecoder(ABC):
    """Base of decoders whose messages are packets of a video."""

    transports: ClassVar[tuple[str, ...]] = ()
    stateful: ClassVar[bool] = True
    holds_labels: ClassVar[bool] = False

    def __init__(self) -> None:
        self._video = Video()

    @abstractmethod
    def packet(self, data: bytes | memoryview) -> Packet:
        """The packet in a message. Raises WireError."""

    @abstractmethod
    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""

    def stamp(self, data: bytes | memoryview) -> int:
        """See Decoder."""
        return peek_stamp(data)

    def decode(self, data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Sequence[Picture]:
        """See Decoder."""
        return self._video.decode(self.packet(data), max_pixels)

    def flush(self) -> Sequence[Picture]:
        """See Decoder."""
        return self._video.flush()

    def labels(self, data: bytes | memoryview) -> tuple[Header, StoredPicture]:
        """See Decoder."""
        raise WireError("a video holds no label images: its compression changes class ids")


class CompressedVideoDecoder(VideoDecoder):
    """One frame a message; `format` is the codec."""

    transports: ClassVar[tuple[str, ...]] = ("foxglove",)

    def packet(self, data: bytes | memoryview) -> Packet:
        """See VideoDecoder."""
        message = deserialise(data, COMPRESSED_VIDEO)
        codec = codec_of(message.format)
        if not codec:
            raise WireError(f"CompressedVideo of format {message.format!r}, not h264, h265, vp9 or av1")
        content = bytes(message.data)
        return Packet(as_header(message.timestamp, message.frame_id), codec, content, is_key_frame(codec, content))

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        packet = self.packet(data)
        return ImageInfo(packet.header, None, packet.codec, packet.key, video=True)


class FFMPEGPacketDecoder(VideoDecoder):
    """`encoding` is the codec or the encoder; since version 1.3.0 the formats before it follow, see `codec_of`."""

    transports: ClassVar[tuple[str, ...]] = ("ffmpeg",)

    def packet(self, data: bytes | memoryview) -> Packet:
        """See VideoDecoder."""
        message = deserialise(data, FFMPEG_PACKET)
        name, *formats = message.encoding.split(";")
        codec = codec_of(name)
        if not codec:
            raise WireError(f"FFMPEGPacket of encoding {message.encoding!r}: the codec {name!r} is not known")
        if len(formats) > 1 and formats[1].startswith("bayer_"):
            raise WireError(f"FFMPEGPacket of encoding {message.encoding!r}: a Bayer mosaic as a video is not read")
        content = bytes(message.data)
        key = bool(message.flags & 1) or (codec != "ffv1" and is_key_frame(codec, content))
        return Packet(message.header, codec, content, key)

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        message, packet = deserialise(data, FFMPEG_PACKET), self.packet(data)
        size = (message.height, message.width) if message.height > 0 and message.width > 0 else None
        return ImageInfo(packet.header, size, message.encoding, packet.key, video=True)
