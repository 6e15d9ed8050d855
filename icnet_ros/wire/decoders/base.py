"""What every decoder of image messages implements."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from icnet_ros.wire.cdr import Header, WireError, peek_stamp
from icnet_ros.wire.image import DEFAULT_MAX_PIXELS, Picture, stamp_ns
from icnet_ros.wire.pictures.jpeg import DamagedImageError
from icnet_ros.wire.pictures.stored_picture import StoredPicture


@dataclass(frozen=True)
class ImageInfo:
    """Metadata of an image message.

    size: (height, width), None if only decoding shows it. encoding: of raw pixels, or the format of a compressed image,
    as the message has it. key: whether it can be decoded without the messages before it, as all but video can. video:
    whether it is a packet of a video. channels: how many of 8 bits it has, if they are stored without loss; else 0.
    """

    header: Header
    size: tuple[int, int] | None
    encoding: str
    key: bool = True
    video: bool = False
    channels: int = 0

    @property
    def stamp(self) -> int:
        """Stamp in nanoseconds since the epoch."""
        return stamp_ns(self.header)


class Decoder(Protocol):
    """Decodes the messages of one topic. It is made for each topic, as it may have a state.

    transports: names that image_transport has for such topics, "raw" or the last part of the topic's name; a value of
    the node's parameter input_transport. stateful: whether pictures depend on earlier messages, as in a video: then
    every message since a key frame must be decoded, in order. holds_labels: whether a message may be a label image.
    """

    transports: ClassVar[tuple[str, ...]]
    stateful: ClassVar[bool]
    holds_labels: ClassVar[bool]

    def stamp(self, data: bytes | memoryview) -> int:
        """Stamp of a message (ns), without reading the rest of it; NO_STAMP if it has none."""

    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """Metadata of a message, without decoding its pixels. Raises WireError."""

    def decode(self, data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Sequence[Picture]:
        """The pictures that are complete with this message, oldest first: one, unless the decoder is stateful.

        No picture if that of this message comes with a later one; then several, each with its own header and `late`.
        Raises WireError that names what cannot be read, also for a message before the first key frame;
        DamagedImageError if a part can be decoded, see `decode_damaged`.
        """

    def flush(self) -> Sequence[Picture]:
        """The pictures that are still to come after the last message; `late` counts from that."""

    def labels(self, data: bytes | memoryview) -> tuple[Header, StoredPicture]:
        """Header and class ids of a label image, values uint8 (H, W). Raises WireError if the message cannot be one."""


def decode_damaged(error: DamagedImageError) -> Picture:
    """The picture of the message whose decoding raised `error`; what is missing is invented. Raises WireError."""
    if error.header is None:
        raise error
    return Picture(error.header, error.pixels(), "bgr")


class StatelessDecoder(ABC):
    """Base of decoders whose messages are whole pictures with a std_msgs/Header in front, serialised as CDR."""

    transports: ClassVar[tuple[str, ...]] = ()
    stateful: ClassVar[bool] = False
    holds_labels: ClassVar[bool] = False

    @abstractmethod
    def peek(self, data: bytes | memoryview) -> ImageInfo:
        """See Decoder."""

    @abstractmethod
    def picture(self, data: bytes | memoryview, max_pixels: int) -> Picture:
        """The picture of a message. Raises WireError."""

    def stamp(self, data: bytes | memoryview) -> int:
        """See Decoder."""
        return peek_stamp(data)

    def decode(self, data: bytes | memoryview, max_pixels: int = DEFAULT_MAX_PIXELS) -> Sequence[Picture]:
        """See Decoder."""
        return (self.picture(data, max_pixels),)

    def flush(self) -> Sequence[Picture]:
        """See Decoder."""
        return ()

    def labels(self, data: bytes | memoryview) -> tuple[Header, StoredPicture]:
        """See Decoder."""
        raise WireError(f"a label image is a mono8 Image, this message is {self.peek(data).encoding!r}")
