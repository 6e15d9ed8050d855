"""sensor_msgs/CompressedImage -> picture: picture files, videos in such messages, and the transport `zstd`."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, Header, WireError, deserialise, peek_stamp
from icnet_ros.wire.decoders.base import ImageInfo
from icnet_ros.wire.decoders.image import channels_of, decode_pixels, labels_of
from icnet_ros.wire.decoders.pixels import demosaic
from icnet_ros.wire.decoders.video import Packet, Video
from icnet_ros.wire.decoders.zstd import is_zstd_transport, unpack_zstd_transport
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, Picture, check_size
from icnet_ros.wire.pictures.jpeg import DamagedImageError
from icnet_ros.wire.pictures.picture_file import (
    LOSSLESS,
    decode_mosaic,
    decode_picture,
    picture_size,
)
from icnet_ros.wire.pictures.stored_picture import StoredPicture, label_image, stored_channels
from icnet_ros.wire.video_stream import codec_of, is_key_frame

# As image_transport writes it: "bayer_rggb8; jpeg compressed mono8". Behind "compressed" stands what the file holds.
FORMAT = re.compile(r"\s*(?P<encoding>[^;]*?)\s*;\s*(?P<codec>\w*)\s*compressed\s*(?P<content>\w*)\s*")
LABELS = re.compile(r"(mono8|8UC1)\s*;\s*(png|tiff)\b.*")
BAYER = re.compile(r"bayer_(rggb|bggr|gbrg|grbg)")
FILE_STARTS = (b"\xff\xd8", b"\x89PNG", b"BM", b"RIFF", b"II*\0", b"MM\0*")
START_CODES = (b"\0\0\0\1", b"\0\0\1")


class Format(NamedTuple):
    """Field `format` of image_transport. encoding: of the topic. content: of the file, "" if it is as the topic."""

    encoding: str
    content: str


class CompressedImageDecoder:
    """JPEG, PNG, TIFF, WebP, AVIF and BMP files; packets of a video; raw images of zstd_image_transport."""

    transports: ClassVar[tuple[str, ...]] = ("compressed", "zstd")
    stateful: ClassVar[bool] = True  # if the messages are packets of a video
    holds_labels: ClassVar[bool] = True

    def __init__(self) -> None:
        self._video = Video()

    def stamp(self, data: bytes | memoryview) -> int:
        """See Decoder."""
        return peek_stamp(data)

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""
        message = deserialise(data, COMPRESSED_IMAGE)
        content, described = bytes(message.data), str(message.format)
        if (packet := _packet(message, content)) is not None:
            return ImageInfo(message.header, None, packet.codec, packet.key, video=True)
        if is_zstd_transport(described, content):
            raw = unpack_zstd_transport(content, header_only=True)
            size, channels = (raw.height, raw.width), channels_of(raw.encoding)
            return ImageInfo(message.header, size, raw.encoding, channels=channels)
        try:
            kind, height, width = picture_size(content)
        except WireError:  # another format
            return ImageInfo(message.header, None, described)
        channels = _channels(described, content) if kind in LOSSLESS else 0
        return ImageInfo(message.header, (height, width), described, channels=channels)

    def decode(self, data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Sequence[Picture]:
        """See Decoder."""
        message = deserialise(data, COMPRESSED_IMAGE)
        content = bytes(message.data)
        if (packet := _packet(message, content)) is not None:
            return self._video.decode(packet, max_pixels)
        return (_picture(message, content, max_pixels),)

    def flush(self) -> Sequence[Picture]:
        """See Decoder."""
        return self._video.flush()

    def labels(self, data: bytes | memoryview) -> tuple[Header, StoredPicture]:
        """See Decoder."""
        message = deserialise(data, COMPRESSED_IMAGE)
        content, described = bytes(message.data), str(message.format)
        if is_zstd_transport(described, content):
            return message.header, StoredPicture(labels_of(unpack_zstd_transport(content)))
        try:
            kind, height, width = picture_size(content)
            check_size(height, width)
            if kind not in LOSSLESS:
                raise WireError(f"a label image is stored without loss, this is a {kind}")
            return message.header, label_image(content)
        except (ValueError, OSError, SyntaxError) as err:
            raise WireError(f"CompressedImage of format {described!r} is no label image: {err}") from err


def decode_compressed(data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Picture of a serialised sensor_msgs/CompressedImage that is no video.

    The declared size is checked before decompression. Raises WireError for other formats and for
    corrupt files.
    """
    message = deserialise(data, COMPRESSED_IMAGE)
    return _picture(message, bytes(message.data), max_pixels)


def parse_format(described: str) -> Format:
    """The parts of a field `format`; a driver's own, such as "jpeg", has none."""
    found = FORMAT.fullmatch(described)
    return Format(found["encoding"], found["content"]) if found else Format("", "")


def _channels(described: str, content: bytes) -> int:
    """See ImageInfo. image_transport says what a file of one channel is: a Bayer mosaic is no label image."""
    if LABELS.fullmatch(described):
        return 1
    channels = stored_channels(content)
    return channels if channels > 1 or not parse_format(described).encoding else 0


def _picture(message: Any, content: bytes, max_pixels: int) -> Picture:
    described = str(message.format)
    if is_zstd_transport(described, content):
        pixels, order = decode_pixels(unpack_zstd_transport(content, max_pixels), max_pixels)
        return Picture(message.header, pixels, order)
    if "compressedDepth" in described:
        raise WireError(f"CompressedImage of format {described!r} is a depth image, no picture of a camera")
    try:
        kind, height, width = picture_size(content)
    except WireError as err:
        raise WireError(f"CompressedImage of format {described!r}, {err}") from err
    check_size(height, width, max_pixels)
    encoding, holds = parse_format(described)
    bayer = BAYER.match(encoding)
    # A JPEG of a mosaic is converted to grey or colour before, unless its content is said to be the mosaic.
    try:
        if bayer and (holds.startswith("bayer_") or (not holds and kind in LOSSLESS)):
            mosaic = decode_mosaic(content, kind, height, width)
            if mosaic is not None:
                return Picture(message.header, demosaic(mosaic, bayer[1]), "bgr")
        return Picture(message.header, decode_picture(content, kind, height, width), "bgr")
    except DamagedImageError as err:
        raise err.in_message(message.header) from err


def _packet(message: Any, content: bytes) -> Packet | None:
    """The packet of a video, None if the message is a picture."""
    codec = codec_of(str(message.format).partition(";")[0]) or codec_of(str(message.format))
    if content.startswith(FILE_STARTS) or not (codec or content.startswith(START_CODES)):
        return None
    codec = codec or "h264"
    return Packet(message.header, codec, content, is_key_frame(codec, content))
