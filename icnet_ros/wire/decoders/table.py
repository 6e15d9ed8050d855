"""Decoders of image messages by message type. Adding one is one new file and one line here."""

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET, IMAGE, WireError
from icnet_ros.wire.decoders.base import Decoder
from icnet_ros.wire.decoders.compressed import CompressedImageDecoder
from icnet_ros.wire.decoders.image import ImageDecoder
from icnet_ros.wire.decoders.video import CompressedVideoDecoder, FFMPEGPacketDecoder

# (message type, serialisation) -> decoder. Of several topics of one camera, the type that comes first is preferred.
DECODERS: dict[tuple[str, str], type[Decoder]] = {
    (IMAGE, "cdr"): ImageDecoder,
    (COMPRESSED_IMAGE, "cdr"): CompressedImageDecoder,
    (FFMPEG_PACKET, "cdr"): FFMPEGPacketDecoder,
    (COMPRESSED_VIDEO, "cdr"): CompressedVideoDecoder,
}


def has_decoder(kind: str, encoding: str = "cdr") -> bool:
    """Whether messages of this type, serialised like this, are images that can be decoded."""
    return (kind, encoding) in DECODERS


def may_be_labels(kind: str, encoding: str = "cdr") -> bool:
    """Whether messages of this type can be label images."""
    return has_decoder(kind, encoding) and DECODERS[kind, encoding].holds_labels


def open_decoder(kind: str, encoding: str = "cdr") -> Decoder:
    """A decoder for one topic. Raises WireError for a type that is not in the table."""
    if (kind, encoding) not in DECODERS:
        raise WireError(f"there is no decoder for {kind} in {encoding}; there are those for {', '.join(image_types())}")
    return DECODERS[kind, encoding]()


def image_types() -> list[str]:
    """The message types that have a decoder, the preferred ones first."""
    return list(dict.fromkeys(kind for kind, _ in DECODERS))


def preference(kind: str, encoding: str = "cdr") -> int:
    """Place of a message type in the table: topics with a lower one are preferred."""
    return list(DECODERS).index((kind, encoding))


def transports() -> dict[str, str]:
    """Message type of each transport that a node can subscribe to (the parameter input_transport)."""
    found: dict[str, str] = {}
    for (kind, encoding), decoder in DECODERS.items():
        if encoding == "cdr":
            for transport in decoder.transports:
                found.setdefault(transport, kind)
    return found


def transport_of(topic: str, kind: str, encoding: str = "cdr") -> str:
    """The transport of a topic of this type: the one that its name ends with, else the first that its decoder has."""
    names = DECODERS[kind, encoding].transports
    return next((name for name in names if topic.endswith(f"/{name}")), names[0] if names else "")


def topic_of(base: str, transport: str) -> str:
    """Name of the topic that carries the images of topic `base` by a transport, as image_transport names it."""
    return base if transport == "raw" else f"{base}/{transport}"


def base_of(topic: str, kind: str = "", encoding: str = "cdr") -> str:
    """Name of the image topic that `topic` is a transport of: /camera/compressed -> /camera.

    kind, encoding: of the topic; with "" the name alone decides.
    """
    base, _, last = topic.rpartition("/")
    if kind:
        names = DECODERS[kind, encoding].transports if (kind, encoding) in DECODERS else ()
    else:
        names = tuple(transports())
    return base if last in names and last != "raw" else topic
